-- What happens in a shop is told to the shop's own systems, by Standard Webhooks.
--
-- Why so:
-- * A delivery is a row that the event's own transaction writes, by a trigger: an event that is committed is told, one
--   that is rolled back is not.
-- * Claiming a delivery moves its due time on by a lease, so that a node that dies while it sends loses nothing, and two
--   nodes seldom send the same. Receivers tell repeats by the event's id.
-- * Every attempt stays visible until its event is let go.
--
-- The code that runs before this migration writes events and knows nothing of who listens.

create table webhook_endpoint (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  endpoint_id uuid not null,
  url text not null,
  -- Which kinds of events; empty: all.
  kinds text[] not null default '{}',
  -- What we sign with, newest first, encrypted: a list while a key is being rotated.
  secrets bytea not null,
  -- Why nothing is sent there any more: it said 410, or a person said so.
  disabled text,
  created_at timestamptz not null default now(),
  constraint webhook_endpoint_pkey primary key (tenant_id, endpoint_id),
  constraint webhook_endpoint_url_unique unique (tenant_id, url)
);

create table webhook_delivery (
  tenant_id uuid not null,
  delivery_id uuid not null,
  endpoint_id uuid not null,
  event_id uuid not null,
  state text not null default 'waiting',
  attempts integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint webhook_delivery_pkey primary key (tenant_id, delivery_id),
  constraint webhook_delivery_once unique (tenant_id, endpoint_id, event_id),
  constraint webhook_delivery_endpoint_fkey foreign key (tenant_id, endpoint_id)
    references webhook_endpoint (tenant_id, endpoint_id) on delete cascade,
  constraint webhook_delivery_event_fkey foreign key (tenant_id, event_id)
    references event (tenant_id, event_id) on delete cascade,
  constraint webhook_delivery_state_known check (state in ('waiting', 'delivered', 'dead'))
);
create index webhook_delivery_of_event on webhook_delivery (tenant_id, event_id);
-- Across shops, soonest first: what webhook_claim reads.
create index webhook_delivery_due_route on webhook_delivery (due_at) where state = 'waiting';

create table webhook_attempt (
  tenant_id uuid not null,
  delivery_id uuid not null,
  number integer not null,
  at timestamptz not null default clock_timestamp(),
  -- What was answered; null where nothing was.
  status integer,
  error text,
  took_ms bigint not null,
  constraint webhook_attempt_pkey primary key (tenant_id, delivery_id, number),
  constraint webhook_attempt_delivery_fkey foreign key (tenant_id, delivery_id)
    references webhook_delivery (tenant_id, delivery_id) on delete cascade
);

select wall_in('webhook_endpoint'), let_owner_pass('webhook_endpoint'), wall_in('webhook_delivery'),
       let_owner_pass('webhook_delivery'), wall_in('webhook_attempt');

create function event_tell() returns trigger
language plpgsql as $$
begin
  insert into webhook_delivery (tenant_id, delivery_id, endpoint_id, event_id)
  select new.tenant_id, new_id(), e.endpoint_id, new.event_id
  from webhook_endpoint e
  where e.tenant_id = new.tenant_id and e.disabled is null and (e.kinds = '{}' or new.kind = any(e.kinds))
    -- Who cannot be told is not told that they cannot be told.
    and not (new.kind = 'dead_letter.created' and new.data ->> 'kind' = 'webhook');
  return null;
end
$$;
create trigger event_tell after insert on event for each row execute function event_tell();

-- Deliveries of any shop whose time has come, for this node for so long.
create function webhook_claim(p_limit integer, p_lease_ms bigint) returns table (tenant_id uuid, delivery_id uuid)
language sql security definer set search_path = public, pg_temp as $$
  update webhook_delivery d
  set due_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  from (select w.tenant_id, w.delivery_id from webhook_delivery w
        where w.state = 'waiting' and w.due_at <= clock_timestamp()
        order by w.due_at limit p_limit for update skip locked) due
  where d.tenant_id = due.tenant_id and d.delivery_id = due.delivery_id
  returning d.tenant_id, d.delivery_id
$$;

-- As before, and a webhook that was given up is sent again.
create or replace function dead_letter_replay(p_tenant uuid, p_dead_letter uuid) returns text
language plpgsql as $$
declare
  d dead_letter;
begin
  select * into d from dead_letter where tenant_id = p_tenant and dead_letter_id = p_dead_letter for update;
  if not found then
    return 'not_found';
  elsif d.resolved_at is not null then
    return 'resolved';
  elsif d.kind = 'send' then
    if not exists (select from outbox
                   where tenant_id = p_tenant and outbox_id = (d.evidence ->> 'outbox_id')::uuid) then
      return 'gone';
    end if;
    update outbox
    set state = 'queued', attempts = 0, resends = 0, unknown_since = null, due_at = clock_timestamp(),
        updated_at = clock_timestamp()
    where tenant_id = p_tenant and outbox_id = (d.evidence ->> 'outbox_id')::uuid and state in ('dead', 'failed');
  elsif d.kind = 'webhook' then
    update webhook_delivery
    set state = 'waiting', attempts = 0, due_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant_id = p_tenant and delivery_id = (d.evidence ->> 'delivery_id')::uuid and state = 'dead';
    -- Its event was let go, or its endpoint is told no more.
    if not found then
      return 'gone';
    end if;
  elsif d.kind = 'payment' then
    update payment_event
    set state = 'waiting', attempts = 0, due_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant_id = p_tenant and payment_event_id = (d.evidence ->> 'payment_event_id')::uuid and state = 'dead';
    if not found then
      return 'gone';
    end if;
  elsif d.kind = 'turn' and d.conversation_id is not null
        and jsonb_typeof(d.evidence -> 'first_seq') = 'number' and jsonb_typeof(d.evidence -> 'last_seq') = 'number' then
    if not exists (
      select from inbox
      where tenant_id = p_tenant and conversation_id = d.conversation_id
        and seq between (d.evidence ->> 'first_seq')::bigint and (d.evidence ->> 'last_seq')::bigint
    ) then
      return 'gone';
    end if;
    perform inbox_repeat(p_tenant, d.conversation_id, (d.evidence ->> 'first_seq')::bigint,
                         (d.evidence ->> 'last_seq')::bigint, 'replay:' || d.dead_letter_id || ':');
  else
    return 'not_replayable';
  end if;
  update dead_letter set resolved_at = clock_timestamp() where tenant_id = p_tenant and dead_letter_id = p_dead_letter;
  return 'replayed';
end
$$;

revoke execute on function webhook_claim(integer, bigint) from public;
grant execute on function webhook_claim(integer, bigint) to balcao_app;
