-- What payment providers report: kept as it came, acknowledged, and applied afterwards.
--
-- Why so:
-- * An event is one row per account and dedupe key, so a redelivery finds its row and changes nothing.
-- * What cannot be applied yet (a refund before its receipt, a charge that is not committed yet) waits and is looked at
--   again; after some tries it is set aside as a dead letter, which `dead_letter_replay` brings back.
-- * The webhook's path names an account and nothing else, so finding it looks across shops: a definer function.
--
-- The code that runs before this migration knows neither table.

create table payment_account (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  -- The last part of the webhook's path.
  account_id uuid not null,
  provider text not null,
  -- What the provider signs with, encrypted.
  credentials bytea not null,
  created_at timestamptz not null default now(),
  constraint payment_account_pkey primary key (tenant_id, account_id),
  constraint payment_account_provider_unique unique (tenant_id, provider)
);

create table payment_event (
  tenant_id uuid not null,
  payment_event_id uuid not null,
  account_id uuid not null,
  dedupe_key text not null,
  -- The event as it was read, and the body it was read from.
  event jsonb not null,
  body bytea not null,
  state text not null default 'waiting',
  attempts integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  -- What became of it, or why it waits.
  note text,
  received_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint payment_event_pkey primary key (tenant_id, payment_event_id),
  constraint payment_event_dedupe_unique unique (tenant_id, account_id, dedupe_key),
  constraint payment_event_account_fkey foreign key (tenant_id, account_id)
    references payment_account (tenant_id, account_id) on delete cascade,
  constraint payment_event_state_known check (state in ('waiting', 'applied', 'ignored', 'dead'))
);
-- Across shops, soonest first: what payment_event_due reads.
create index payment_event_due_route on payment_event (due_at) where state = 'waiting';

select wall_in('payment_account'), let_owner_pass('payment_account'), wall_in('payment_event'), let_owner_pass('payment_event');
revoke delete on payment_event from balcao_app;

create function payment_account_by_id(p_account uuid) returns setof payment_account
language sql stable security definer set search_path = public, pg_temp
as $$ select * from payment_account where account_id = p_account $$;

create function payment_event_due(p_limit integer) returns table (tenant_id uuid, payment_event_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select e.tenant_id, e.payment_event_id from payment_event e
  where e.state = 'waiting' and e.due_at <= clock_timestamp()
  order by e.due_at limit p_limit
$$;

-- Something the shop tells of its own accord, outside a turn: "your payment has arrived". Nothing is said to who asked
-- not to be written to. Returns the channel to ring, or null.
create function outbox_push_notice(
  p_tenant uuid, p_conversation uuid, p_outbox uuid, p_kind text, p_text text, p_body jsonb
) returns uuid
language plpgsql as $$
declare
  v conversation;
  v_channel text;
  v_seq bigint;
begin
  select c.* into v from conversation asked
  join conversation c on c.tenant_id = asked.tenant_id
                     and c.conversation_id = coalesce(asked.merged_into, asked.conversation_id)
  where asked.tenant_id = p_tenant and asked.conversation_id = p_conversation;
  if not found or exists (select from customer u where u.tenant_id = p_tenant and u.customer_id = v.customer_id
                            and u.opted_out_at is not null) then
    return null;
  end if;
  select kind into v_channel from channel where tenant_id = p_tenant and channel_id = v.channel_id;
  update conversation_cursor set out_seq = out_seq + 1
  where tenant_id = p_tenant and conversation_id = v.conversation_id
  returning out_seq into v_seq;
  insert into outbox (tenant_id, outbox_id, conversation_id, seq, channel_id, author, kind, text, body, state)
  values (p_tenant, p_outbox, v.conversation_id, v_seq, v.channel_id, 'agent', p_kind, p_text, p_body,
          case when v_channel = 'api' then 'delivered' else 'queued' end);
  return v.channel_id;
end
$$;

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

revoke execute on function payment_account_by_id(uuid), payment_event_due(integer) from public;
grant execute on function payment_account_by_id(uuid), payment_event_due(integer),
  outbox_push_notice(uuid, uuid, uuid, text, text, jsonb), dead_letter_replay(uuid, uuid) to balcao_app;
