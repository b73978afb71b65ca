-- What customers sent: appended, never updated, read in order.
--
-- inbox_append is the group commit of all webhooks: rows of many shops in one statement, hence a definer function. It
-- takes the cursors of the conversations it touches in key order (two batches cannot wait for each other in a ring);
-- a locked row is read as it is then, so that numbers are dense. Duplicates are looked for as of the statement's start:
-- one that another batch stored meanwhile breaks the unique key, and the caller tries the batch again. The caller gives
-- no message twice in one call.

create table inbox (
  tenant_id uuid not null,
  conversation_id uuid not null,
  seq bigint not null,
  channel_id uuid not null,
  provider_message_id text not null,
  kind text not null,
  sent_at timestamptz not null,
  received_at timestamptz not null,
  payload jsonb not null,
  constraint inbox_pkey primary key (tenant_id, conversation_id, seq),
  constraint inbox_provider_message_id_unique unique (tenant_id, channel_id, provider_message_id),
  constraint inbox_cursor_fkey foreign key (tenant_id, conversation_id)
    references conversation_cursor (tenant_id, conversation_id) on delete cascade
) with (autovacuum_vacuum_insert_scale_factor = 0.1);
select wall_in('inbox'), let_owner_pass('inbox');
revoke update, delete on inbox from balcao_app;

-- What was said about a message afterwards: the newest reaction, edit or retraction of each. The inbox stays as it was.
create table message_mark (
  tenant_id uuid not null,
  conversation_id uuid not null,
  -- The channel's id of the message that is meant: ours or the customer's.
  message_id text not null,
  kind text not null,
  -- The emoji or the new words; null takes a reaction away and stays here, so that an older one cannot come back.
  value text,
  sent_at timestamptz not null,
  constraint message_mark_pkey primary key (tenant_id, conversation_id, message_id, kind),
  constraint message_mark_conversation_fkey foreign key (tenant_id, conversation_id)
    references conversation (tenant_id, conversation_id) on delete cascade,
  constraint message_mark_kind_known check (kind in ('reaction', 'edit', 'revoke'))
);
select wall_in('message_mark'), let_owner_pass('message_mark');

create function inbox_append(
  p_tenant uuid[], p_conversation uuid[], p_channel uuid[], p_provider_message_id text[], p_kind text[],
  p_sent_at timestamptz[], p_payload text[], p_mark_message_id text[], p_mark_value text[]
) returns table (place bigint, seq bigint, stored boolean)
language sql security definer set search_path = public, pg_temp as $$
  with given as materialized (
    select u.*
    from unnest(p_tenant, p_conversation, p_channel, p_provider_message_id, p_kind, p_sent_at, p_payload,
                p_mark_message_id, p_mark_value) with ordinality
      as u (tenant_id, conversation_id, channel_id, provider_message_id, kind, sent_at, payload,
            mark_message_id, mark_value, place)
  ), known as materialized (
    select g.place, i.seq
    from given g
    join inbox i on i.tenant_id = g.tenant_id and i.channel_id = g.channel_id
                and i.provider_message_id = g.provider_message_id
  ), locked as materialized (
    select c.tenant_id, c.conversation_id, c.head_seq
    from (select distinct g.tenant_id, g.conversation_id from given g) g
    join conversation_cursor c on c.tenant_id = g.tenant_id and c.conversation_id = g.conversation_id
    order by c.tenant_id, c.conversation_id
    for no key update of c
  ), fresh as materialized (
    select g.*, l.head_seq + row_number() over (partition by g.tenant_id, g.conversation_id order by g.place) as seq
    from given g
    join locked l on l.tenant_id = g.tenant_id and l.conversation_id = g.conversation_id
    where not exists (select from known k where k.place = g.place)
  ), written as (
    insert into inbox (tenant_id, conversation_id, seq, channel_id, provider_message_id, kind, sent_at, received_at, payload)
    select f.tenant_id, f.conversation_id, f.seq, f.channel_id, f.provider_message_id, f.kind, f.sent_at,
           clock_timestamp(), f.payload::jsonb
    from fresh f
    order by f.tenant_id, f.conversation_id, f.seq
  ), advanced as (
    update conversation_cursor c
    set head_seq = c.head_seq + n.messages,
        -- What waits already keeps its time: a new message does not hurry a turn that is backing off.
        due_at = case when c.head_seq = c.acked_seq then clock_timestamp() else c.due_at end,
        -- By the customer's clock, never the future: a backlog delivered days late opens no window.
        last_inbound_at = greatest(c.last_inbound_at, least(n.sent_at, clock_timestamp()))
    from (
      select f.tenant_id, f.conversation_id, count(*) as messages, max(f.sent_at) as sent_at
      from fresh f group by f.tenant_id, f.conversation_id
    ) n
    where c.tenant_id = n.tenant_id and c.conversation_id = n.conversation_id
  ), marked as (
    insert into message_mark as m (tenant_id, conversation_id, message_id, kind, value, sent_at)
    select distinct on (f.tenant_id, f.conversation_id, f.mark_message_id, f.kind)
           f.tenant_id, f.conversation_id, f.mark_message_id, f.kind, f.mark_value, f.sent_at
    from fresh f
    where f.mark_message_id is not null
    order by f.tenant_id, f.conversation_id, f.mark_message_id, f.kind, f.sent_at desc, f.place desc
    on conflict (tenant_id, conversation_id, message_id, kind) do update
    set value = excluded.value, sent_at = excluded.sent_at
    where m.sent_at <= excluded.sent_at
  )
  -- A row without a number has no conversation.
  select g.place, coalesce(k.seq, f.seq), k.seq is null and f.seq is not null
  from given g
  left join known k on k.place = g.place
  left join fresh f on f.place = g.place
  order by g.place
$$;

-- Conversations that wait, are due, and in nobody's hands; by turns between the shops, so that a busy one cannot hide
-- the others. The recursion hops from shop to shop through the partial index, which holds waiting conversations only.
create function conversation_due(p_limit bigint) returns table (tenant_id uuid, conversation_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive shop as (
    (select c.tenant_id from conversation_cursor c
     where c.head_seq > c.acked_seq order by c.tenant_id limit 1)
    union all
    select (select c.tenant_id from conversation_cursor c
            where c.head_seq > c.acked_seq and c.tenant_id > s.tenant_id order by c.tenant_id limit 1)
    from shop s where s.tenant_id is not null
  )
  select d.tenant_id, d.conversation_id
  from shop s
  cross join lateral (
    select w.*, row_number() over () as place
    from (
      select c.tenant_id, c.conversation_id, c.due_at from conversation_cursor c
      where c.tenant_id = s.tenant_id and c.head_seq > c.acked_seq and c.due_at <= clock_timestamp()
        and (c.lease_until is null or c.lease_until <= clock_timestamp())
      order by c.due_at limit p_limit
    ) w
  ) d
  where s.tenant_id is not null
  order by d.place, d.due_at
  limit p_limit
$$;

-- Extends the leases a node still holds and returns the others. One statement for all shops' conversations of a node.
create function conversation_renew(p_node text, p_lease_ms bigint, p_tenant uuid[], p_conversation uuid[], p_epoch bigint[])
returns setof uuid
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform c.conversation_id
  from unnest(p_tenant, p_conversation) as h (tenant_id, conversation_id)
  join conversation_cursor c on c.tenant_id = h.tenant_id and c.conversation_id = h.conversation_id
  order by c.tenant_id, c.conversation_id
  for no key update of c;

  return query
  with kept as (
    update conversation_cursor c
    set lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond'
    from unnest(p_tenant, p_conversation, p_epoch) as h (tenant_id, conversation_id, epoch)
    where c.tenant_id = h.tenant_id and c.conversation_id = h.conversation_id
      and c.epoch = h.epoch and c.owner = p_node
    returning c.tenant_id, c.conversation_id
  )
  select h.conversation_id
  from unnest(p_tenant, p_conversation) as h (tenant_id, conversation_id)
  where not exists (
    select from kept k where k.tenant_id = h.tenant_id and k.conversation_id = h.conversation_id);
end
$$;

revoke execute on function
  inbox_append(uuid[], uuid[], uuid[], text[], text[], timestamptz[], text[], text[], text[]),
  conversation_due(bigint), conversation_renew(text, bigint, uuid[], uuid[], bigint[]) from public;
grant execute on function
  inbox_append(uuid[], uuid[], uuid[], text[], text[], timestamptz[], text[], text[], text[]),
  conversation_due(bigint), conversation_renew(text, bigint, uuid[], uuid[], bigint[]) to balcao_app;

-- Takes (or keeps) a conversation and returns what waits in it. One round trip: the function sets the tenant itself,
-- for the length of its own statement, and works behind the wall as everybody does (SECURITY INVOKER).
create function conversation_claim(p_tenant uuid, p_conversation uuid, p_node text, p_lease_ms bigint, p_limit bigint)
returns table (
  epoch bigint, acked_seq bigint, attempts integer, channel_id uuid, channel text, customer_id uuid,
  handed_off boolean, opted_out boolean, customer_name text, phone text, user_id text, messages jsonb
)
language plpgsql as $$
#variable_conflict use_column
declare
  v_lease interval := p_lease_ms * interval '1 millisecond';
  v_now timestamptz;
  c conversation_cursor;
begin
  perform set_config('app.tenant_id', p_tenant::text, true);
  select * into c from conversation_cursor k where k.tenant_id = p_tenant and k.conversation_id = p_conversation;
  v_now := clock_timestamp();
  -- While more than half of our own lease is left, looking again costs no write.
  if not (c.owner is not distinct from p_node and coalesce(c.lease_until > v_now + v_lease / 2, false)) then
    select * into c from conversation_cursor k
    where k.tenant_id = p_tenant and k.conversation_id = p_conversation for no key update;
    v_now := clock_timestamp();
    if not found or (c.owner is distinct from p_node and c.lease_until > v_now) then
      return;
    end if;
    update conversation_cursor k
    set owner = p_node,
        epoch = case when c.owner = p_node and c.lease_until > v_now then k.epoch else k.epoch + 1 end,
        lease_until = v_now + v_lease
    where k.tenant_id = p_tenant and k.conversation_id = p_conversation
    returning * into c;
  end if;

  return query
  select c.epoch, c.acked_seq, c.attempts, v.channel_id, h.kind, v.customer_id,
         v.handed_off_at is not null, p.opted_out_at is not null, p.name, p.phone, p.user_id,
         (
           select jsonb_agg(jsonb_build_object(
                    'seq', m.seq, 'payload', m.payload, 'received_at', m.received_at,
                    'edited', e.kind is not null, 'edit', e.value, 'revoked', r.kind is not null) order by m.seq)
           from (
             select i.seq, i.payload, i.received_at, i.provider_message_id from inbox i
             where i.tenant_id = p_tenant and i.conversation_id = p_conversation and i.seq > c.acked_seq
             order by i.seq limit p_limit
           ) m
           left join message_mark e on e.tenant_id = p_tenant and e.conversation_id = p_conversation
                                   and e.message_id = m.provider_message_id and e.kind = 'edit'
           left join message_mark r on r.tenant_id = p_tenant and r.conversation_id = p_conversation
                                   and r.message_id = m.provider_message_id and r.kind = 'revoke'
         )
  from conversation v
  join channel h on h.tenant_id = p_tenant and h.channel_id = v.channel_id
  join customer p on p.tenant_id = p_tenant and p.customer_id = v.customer_id
  where v.tenant_id = p_tenant and v.conversation_id = p_conversation;
end
$$;

create function conversation_release(p_tenant uuid, p_conversation uuid, p_epoch bigint) returns boolean
language plpgsql as $$
begin
  perform set_config('app.tenant_id', p_tenant::text, true);
  update conversation_cursor set owner = null, lease_until = null
  where tenant_id = p_tenant and conversation_id = p_conversation and epoch = p_epoch;
  return found;
end
$$;
