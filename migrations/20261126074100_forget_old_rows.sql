-- Retention: what a shop need not keep is deleted a few hundred rows at a time, one statement a table.
--
-- Nothing here needs an index on the hot tables: ids of version 7 begin with their time, so the primary keys of turns,
-- messages, events and dead letters are in order of age; the inbox is read conversation by conversation, whose numbers
-- rise with time. All of it works behind the wall, in the shop's own transaction, save `inbox_forget`: the server's role
-- may only append to the inbox, hence a definer function. The running code knows none of this.

-- Keys lapse after a day, parked statuses are few: small tables, each with a short index on its time.
create index idempotency_key_age on idempotency_key (tenant_id, reserved_at);
create index parked_status_age on parked_status (tenant_id, parked_at);

-- The smallest id (UUID version 7) of a moment.
create function id_floor(p_at timestamptz) returns uuid
language sql immutable parallel safe
as $$
  select encode(
    substring(int8send(greatest((extract(epoch from p_at) * 1000)::bigint, 0)) from 3) || '\x00000000000000000000'::bytea,
    'hex')::uuid
$$;

-- One small batch of everything but the inbox. `p_now` is the database's clock unless a test says otherwise; null for
-- a period keeps for ever. How many rows went, by table; all zero: nothing is left to do.
create function retention_sweep(
  p_tenant uuid, p_now timestamptz, p_messages interval, p_events interval, p_dead_letters interval, p_limit bigint
) returns table (tab text, deleted bigint)
language plpgsql as $$
declare
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_count bigint;
begin
  -- One node at a time for each shop; the others find it done.
  if not pg_try_advisory_xact_lock(lock_key(p_tenant, 'retention')) then
    return;
  end if;

  -- Replies that have come as far as they will. Those still to be sent are kept however old.
  delete from outbox o using (
    select b.outbox_id from outbox b
    where b.tenant_id = p_tenant and b.outbox_id < id_floor(v_now - p_messages)
      and b.updated_at < v_now - p_messages and b.state not in ('queued', 'sending')
    order by b.outbox_id limit p_limit
  ) old
  where o.tenant_id = p_tenant and o.outbox_id = old.outbox_id;
  get diagnostics v_count = row_count;
  return query select 'outbox', v_count;

  delete from turn t using (
    select u.turn_id from turn u
    where u.tenant_id = p_tenant and u.turn_id < id_floor(v_now - p_messages)
      and u.committed_at < v_now - p_messages
      and not exists (select from outbox o where o.tenant_id = p_tenant and o.turn_id = u.turn_id)
    order by u.turn_id limit p_limit
  ) old
  where t.tenant_id = p_tenant and t.turn_id = old.turn_id;
  get diagnostics v_count = row_count;
  return query select 'turn', v_count;

  delete from event e using (
    select f.event_id from event f
    where f.tenant_id = p_tenant and f.event_id < id_floor(v_now - p_events)
    order by f.event_id limit p_limit
  ) old
  where e.tenant_id = p_tenant and e.event_id = old.event_id;
  get diagnostics v_count = row_count;
  return query select 'event', v_count;

  -- What nobody has dealt with stays.
  delete from dead_letter d using (
    select l.dead_letter_id from dead_letter l
    where l.tenant_id = p_tenant and l.dead_letter_id < id_floor(v_now - p_dead_letters)
      and l.resolved_at < v_now - p_dead_letters
    order by l.dead_letter_id limit p_limit
  ) old
  where d.tenant_id = p_tenant and d.dead_letter_id = old.dead_letter_id;
  get diagnostics v_count = row_count;
  return query select 'dead_letter', v_count;

  -- Answers to repeated requests lapse after a day, webhooks' notes after eight (idempotency_begin).
  delete from idempotency_key k using (
    select i.key from idempotency_key i
    where i.tenant_id = p_tenant
      and i.reserved_at < v_now - case when i.key like 'webhook/%' then interval '9 days' else interval '2 days' end
    order by i.reserved_at limit p_limit
  ) old
  where k.tenant_id = p_tenant and k.key = old.key;
  get diagnostics v_count = row_count;
  return query select 'idempotency_key', v_count;

  -- A message may be delivered 30 days after it was sent; a status nobody waited for is no use after that.
  delete from parked_status s using (
    select q.channel_id, q.provider_message_id, q.state from parked_status q
    where q.tenant_id = p_tenant and q.parked_at < v_now - interval '31 days'
    order by q.parked_at limit p_limit
  ) old
  where s.tenant_id = p_tenant and s.channel_id = old.channel_id
    and s.provider_message_id = old.provider_message_id and s.state = old.state;
  get diagnostics v_count = row_count;
  return query select 'parked_status', v_count;

  -- Announcements that were applied: webhooks are redelivered for seven days.
  delete from customer_identity c using (
    select i.channel_id, i.value from customer_identity i
    where i.tenant_id = p_tenant and i.kind = 'change' and i.seen_at < v_now - interval '31 days'
    limit p_limit
  ) old
  where c.tenant_id = p_tenant and c.kind = 'change' and c.channel_id = old.channel_id and c.value = old.value;
  get diagnostics v_count = row_count;
  return query select 'customer_identity', v_count;
end
$$;

-- Old messages of the next conversations after `p_after`, and what was said about them. Only what is done with goes,
-- and never before eight days: webhooks are redelivered for seven, and the row is what tells a repeat. The last
-- conversation looked at, null at the end; call again from the same place while `deleted` is not zero.
create function inbox_forget(
  p_tenant uuid, p_now timestamptz, p_messages interval, p_after uuid, p_conversations bigint, p_limit bigint
) returns table (last_conversation uuid, deleted bigint, marks bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  v_before timestamptz := coalesce(p_now, clock_timestamp()) - greatest(p_messages, interval '8 days');
  v_here uuid[];
  v_deleted bigint;
  v_marks bigint;
begin
  select array_agg(page.conversation_id order by page.conversation_id) into v_here
  from (
    select c.conversation_id from conversation_cursor c
    where c.tenant_id = p_tenant and c.conversation_id > p_after
    order by c.conversation_id limit p_conversations
  ) page;
  if v_here is null or v_before is null then
    return query select null::uuid, 0::bigint, 0::bigint;
    return;
  end if;

  delete from inbox i using (
    select c.conversation_id, m.seq
    from unnest(v_here) h (conversation_id)
    join conversation_cursor c on c.tenant_id = p_tenant and c.conversation_id = h.conversation_id
    cross join lateral (
      select o.seq, o.received_at from inbox o
      where o.tenant_id = p_tenant and o.conversation_id = c.conversation_id and o.seq <= c.acked_seq
        -- Most conversations are young: their first message tells, and no other is read.
        and (select f.received_at from inbox f
             where f.tenant_id = p_tenant and f.conversation_id = c.conversation_id
             order by f.seq limit 1) < v_before
      order by o.seq limit p_limit
    ) m
    where m.received_at < v_before
    limit p_limit
  ) old
  where i.tenant_id = p_tenant and i.conversation_id = old.conversation_id and i.seq = old.seq;
  get diagnostics v_deleted = row_count;

  delete from message_mark k
  where k.tenant_id = p_tenant and k.conversation_id = any(v_here) and k.sent_at < v_before;
  get diagnostics v_marks = row_count;
  return query select v_here[cardinality(v_here)], v_deleted, v_marks;
end
$$;

revoke execute on function inbox_forget(uuid, timestamptz, interval, uuid, bigint, bigint) from public;
grant execute on function inbox_forget(uuid, timestamptz, interval, uuid, bigint, bigint) to balcao_app;

-- A letter whose message has been deleted meanwhile cannot be tried again, and says so instead of doing nothing.
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

-- Everything about one person, and the way to be rid of it (the rights of access and erasure). Both work behind the
-- wall, within the shop's own transaction.
create function customer_export(p_tenant uuid, p_customer uuid) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'customer', to_jsonb(c) - 'tenant_id',
    'identities', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'kind', i.kind, 'value', i.value, 'seen_at', i.seen_at, 'retired_at', i.retired_at)
               order by i.kind, i.value), '[]')
      from customer_identity i
      where i.tenant_id = p_tenant and i.customer_id = p_customer and i.kind <> 'change'),
    'conversations', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'conversation_id', v.conversation_id, 'external_id', v.external_id, 'created_at', v.created_at,
        'handed_off_at', v.handed_off_at, 'handoff_reason', v.handoff_reason,
        'messages', (
          select coalesce(jsonb_agg(jsonb_build_object(
                   'received_at', m.received_at, 'kind', m.kind, 'payload', m.payload) order by m.seq), '[]')
          from inbox m where m.tenant_id = p_tenant and m.conversation_id = v.conversation_id),
        'marks', (
          select coalesce(jsonb_agg(jsonb_build_object(
                   'message_id', k.message_id, 'kind', k.kind, 'value', k.value, 'sent_at', k.sent_at)
                   order by k.sent_at), '[]')
          from message_mark k where k.tenant_id = p_tenant and k.conversation_id = v.conversation_id),
        'replies', (
          select coalesce(jsonb_agg(jsonb_build_object(
                   'created_at', o.created_at, 'author', o.author, 'text', o.text, 'state', o.state)
                   order by o.seq), '[]')
          from outbox o where o.tenant_id = p_tenant and o.conversation_id = v.conversation_id),
        'turns', (
          select coalesce(jsonb_agg(jsonb_build_object(
                   'turn_id', t.turn_id, 'committed_at', t.committed_at, 'path', t.path, 'reason', t.reason,
                   'outcome', t.outcome) order by t.first_seq), '[]')
          from turn t where t.tenant_id = p_tenant and t.conversation_id = v.conversation_id),
        'events', (
          select coalesce(jsonb_agg(jsonb_build_object(
                   'created_at', e.created_at, 'kind', e.kind, 'data', e.data) order by e.event_id), '[]')
          from event e where e.tenant_id = p_tenant and e.conversation_id = v.conversation_id)
      ) order by v.created_at), '[]')
      from conversation v where v.tenant_id = p_tenant and v.customer_id = p_customer)
  )
  from customer c
  where c.tenant_id = p_tenant and c.customer_id = p_customer
$$;

-- Deletes the person with everything that hangs on them, and what only names their conversations. What remains is the
-- event that says so, with an id that leads nowhere any more.
create function customer_erase(p_tenant uuid, p_customer uuid) returns boolean
language plpgsql as $$
declare
  v_conversations uuid[];
  v_ids text[];
begin
  perform from customer where tenant_id = p_tenant and customer_id = p_customer for update;
  if not found then
    return false;
  end if;
  select array_agg(conversation_id) into v_conversations
  from conversation where tenant_id = p_tenant and customer_id = p_customer;
  select array_agg(value) into v_ids
  from customer_identity where tenant_id = p_tenant and customer_id = p_customer and kind <> 'change';
  delete from event where tenant_id = p_tenant and conversation_id = any(v_conversations);
  delete from event where tenant_id = p_tenant and data ->> 'customer_id' = p_customer::text;
  delete from dead_letter where tenant_id = p_tenant and conversation_id = any(v_conversations);
  -- A message that could not be stored at all is set aside without a conversation, with its sender.
  delete from dead_letter
  where tenant_id = p_tenant and conversation_id is null
    and (evidence #>> '{sender,phone}' = any(v_ids) or evidence #>> '{sender,user_id}' = any(v_ids));
  delete from parked_status
  where tenant_id = p_tenant
    and (raw ->> 'recipient_id' = any(v_ids) or raw ->> 'recipient_user_id' = any(v_ids));
  delete from customer where tenant_id = p_tenant and customer_id = p_customer;
  perform event_push(p_tenant, 'customer.erased', null, jsonb_build_object('customer_id', p_customer));
  return true;
end
$$;

-- People of any channel by an id they are known by: a phone number in every written form, a user id, our own id.
create function customer_find(p_tenant uuid, p_values text[]) returns setof uuid
language sql stable as $$
  select distinct i.customer_id
  from channel h
  cross join unnest(array['user_id', 'phone']) as k (kind)
  join customer_identity i on i.tenant_id = p_tenant and i.channel_id = h.channel_id
                          and i.kind = k.kind and i.value = any(p_values)
  where h.tenant_id = p_tenant
$$;

-- As before, but what a webhook noted is remembered for as long as webhooks are delivered again: eight days, not one.
create or replace function idempotency_begin(p_tenant uuid, p_key text, p_request_hash bytea)
returns table (verdict text, status integer, body jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  v_known idempotency_key;
  v_lapse interval := case when p_key like 'webhook/%' then interval '8 days' else interval '1 day' end;
begin
  insert into idempotency_key (tenant_id, key, request_hash) values (p_tenant, p_key, p_request_hash)
  on conflict (tenant_id, key) do nothing;
  if found then
    return query select 'fresh', null::integer, null::jsonb;
    return;
  end if;
  select * into v_known from idempotency_key k where k.tenant_id = p_tenant and k.key = p_key for update;
  if not found
     or (v_known.status is null and v_known.reserved_at < clock_timestamp() - interval '1 minute')
     or v_known.reserved_at < clock_timestamp() - v_lapse then
    update idempotency_key k
    set request_hash = p_request_hash, status = null, body = null, reserved_at = clock_timestamp()
    where k.tenant_id = p_tenant and k.key = p_key;
    return query select 'fresh', null::integer, null::jsonb;
  elsif v_known.request_hash <> p_request_hash then
    return query select 'mismatch', null::integer, null::jsonb;
  elsif v_known.status is null then
    return query select 'in_progress', null::integer, null::jsonb;
  else
    return query select 'replay', v_known.status, v_known.body;
  end if;
end
$$;
