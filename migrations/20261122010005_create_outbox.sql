-- Turns, the replies they queue, and what the channel reports of them.
--
-- A reply is `sending` durably before anything goes out. What is still `sending` when its time is up has an unknown
-- outcome: a status that carries our tag settles it; failing that, one resend is allowed, and after that it is given up.
-- `due_at` is when a queued message may go, and when the lease or the grace of a sending one ends.

create table turn (
  tenant_id uuid not null,
  turn_id uuid not null,
  conversation_id uuid not null,
  first_seq bigint not null,
  last_seq bigint not null,
  path text not null,
  reason text not null,
  outcome jsonb not null,
  started_at timestamptz not null,
  committed_at timestamptz not null default clock_timestamp(),
  constraint turn_pkey primary key (tenant_id, turn_id),
  constraint turn_conversation_fkey foreign key (tenant_id, conversation_id)
    references conversation (tenant_id, conversation_id) on delete cascade,
  -- No message is answered twice, whatever else goes wrong.
  constraint turn_last_seq_unique unique (tenant_id, conversation_id, last_seq),
  constraint turn_first_seq_unique unique (tenant_id, conversation_id, first_seq),
  constraint turn_range check (1 <= first_seq and first_seq <= last_seq)
);
select wall_in('turn');
create index turn_model on turn (tenant_id, committed_at) where path = 'model';

create table outbox (
  tenant_id uuid not null,
  outbox_id uuid not null,
  conversation_id uuid not null,
  -- The place in the conversation: the order of sending.
  seq bigint not null,
  channel_id uuid not null,
  turn_id uuid,
  author text not null,
  kind text not null,
  text text not null,
  body jsonb not null,
  state text not null,
  attempts integer not null default 0,
  resends integer not null default 0,
  unknown_since timestamptz,
  due_at timestamptz not null default clock_timestamp(),
  node text,
  provider_message_id text,
  error_code bigint,
  error_detail text,
  -- The status webhooks as they came, by state: pricing, conversation windows.
  reports jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint outbox_pkey primary key (tenant_id, outbox_id),
  constraint outbox_conversation_fkey foreign key (tenant_id, conversation_id)
    references conversation (tenant_id, conversation_id) on delete cascade,
  constraint outbox_turn_fkey foreign key (tenant_id, turn_id)
    references turn (tenant_id, turn_id) on delete cascade,
  constraint outbox_seq_unique unique (tenant_id, conversation_id, seq),
  constraint outbox_author_known check (author in ('agent', 'human')),
  constraint outbox_state_known
    check (state in ('queued', 'sending', 'sent', 'delivered', 'read', 'played', 'failed', 'dead'))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
select wall_in('outbox'), let_owner_pass('outbox');
create index outbox_due on outbox (tenant_id, channel_id, due_at) where state in ('queued', 'sending');
create index outbox_waiting on outbox (tenant_id, conversation_id, seq) where state in ('queued', 'sending');
create index outbox_turn on outbox (tenant_id, turn_id);
create index outbox_provider_message_id on outbox (tenant_id, channel_id, provider_message_id)
  where provider_message_id is not null;

-- Statuses of messages we do not know (yet): a status may overtake the answer to the send itself.
create table parked_status (
  tenant_id uuid not null,
  channel_id uuid not null,
  provider_message_id text not null,
  state text not null,
  at timestamptz not null,
  error_code bigint,
  error_detail text,
  raw jsonb not null,
  parked_at timestamptz not null default clock_timestamp(),
  constraint parked_status_pkey primary key (tenant_id, channel_id, provider_message_id, state),
  constraint parked_status_channel_fkey foreign key (tenant_id, channel_id)
    references channel (tenant_id, channel_id) on delete cascade
);
select wall_in('parked_status');

-- The lattice of balcao_domain::delivery, said again in SQL; a test compares the two, pair by pair.
create function delivery_merge(p_now text, p_reported text) returns text
language sql immutable parallel safe as $$
  select case
    when p_reported = 'failed' then case when p_now in ('queued', 'sending', 'sent') then 'failed' else p_now end
    when p_reported in ('dead', 'queued', 'sending') then p_now
    when p_now in ('failed', 'dead') then case when p_reported = 'sent' then p_now else p_reported end
    when array_position(array['queued', 'sending', 'sent', 'delivered', 'read', 'played'], p_reported)
       > array_position(array['queued', 'sending', 'sent', 'delivered', 'read', 'played'], p_now) then p_reported
    else p_now
  end
$$;

-- The end of a turn in one round trip; works behind the wall. True: it is written (perhaps by an earlier call whose
-- answer was lost). False: the conversation is in other hands, and nothing was written.
create function turn_commit(
  p_tenant uuid, p_conversation uuid, p_epoch bigint, p_handed_off boolean,
  p_turn uuid, p_first_seq bigint, p_last_seq bigint, p_path text, p_reason text, p_outcome jsonb,
  p_started_at timestamptz, p_action text, p_action_reason text,
  p_outbox uuid[], p_kind text[], p_text text[], p_body text[]
) returns boolean
language plpgsql as $$
declare
  c conversation_cursor;
  v conversation;
  v_channel text;
begin
  perform set_config('app.tenant_id', p_tenant::text, true);
  select * into c from conversation_cursor
  where tenant_id = p_tenant and conversation_id = p_conversation for no key update;
  if not found or c.epoch <> p_epoch or p_first_seq <= c.acked_seq or p_last_seq > c.head_seq then
    return exists (
      select from turn where tenant_id = p_tenant and turn_id = p_turn and conversation_id = p_conversation);
  end if;
  select * into v from conversation where tenant_id = p_tenant and conversation_id = p_conversation for update;
  -- A person took over while the agent was thinking: the agent does not speak over them.
  if v.handed_off_at is not null and not p_handed_off and cardinality(p_outbox) > 0 then
    return false;
  end if;
  select kind into v_channel from channel where tenant_id = p_tenant and channel_id = v.channel_id;

  insert into turn (tenant_id, turn_id, conversation_id, first_seq, last_seq, path, reason, outcome, started_at)
  values (p_tenant, p_turn, p_conversation, p_first_seq, p_last_seq, p_path, p_reason, p_outcome, p_started_at);

  insert into outbox (tenant_id, outbox_id, conversation_id, seq, channel_id, turn_id, author, kind, text, body, state)
  select p_tenant, o.outbox_id, p_conversation, c.out_seq + o.place, v.channel_id, p_turn, 'agent', o.kind, o.text,
         o.body::jsonb,
         -- On the API channel whoever asked is listening: the reply is where it was going.
         case when v_channel = 'api' then 'delivered' else 'queued' end
  from unnest(p_outbox, p_kind, p_text, p_body) with ordinality as o (outbox_id, kind, text, body, place);

  update conversation_cursor
  set acked_seq = p_last_seq, attempts = 0, due_at = clock_timestamp(), out_seq = c.out_seq + cardinality(p_outbox),
      -- A lease lasts from a look to its commit: what another node stores from now on is any node's to answer.
      owner = null, lease_until = null
  where tenant_id = p_tenant and conversation_id = p_conversation;

  -- Given up on: the evidence is set aside in the same transaction, so that neither is ever without the other.
  if p_reason = 'poisoned' then
    perform dead_letter_push(p_tenant, 'turn', p_conversation, 'the turn failed again and again', jsonb_build_object(
      'turn_id', p_turn, 'first_seq', p_first_seq, 'last_seq', p_last_seq, 'failures', c.attempts));
  end if;

  if p_action = 'hand_off' then
    perform conversation_hand_off(p_tenant, p_conversation, p_action_reason);
  elsif p_action in ('opt_out', 'opt_in') then
    perform customer_opt_out(p_tenant, v.customer_id, p_action = 'opt_out');
  elsif p_action = 'end' then
    perform event_push(p_tenant, 'conversation.ended', p_conversation, jsonb_build_object('turn_id', p_turn));
  end if;
  return true;
end
$$;

create function conversation_hand_off(p_tenant uuid, p_conversation uuid, p_reason text) returns boolean
language plpgsql as $$
begin
  update conversation set handed_off_at = clock_timestamp(), handoff_reason = p_reason
  where tenant_id = p_tenant and conversation_id = p_conversation and handed_off_at is null;
  if found then
    perform event_push(p_tenant, 'conversation.handed_off', p_conversation, jsonb_build_object('reason', p_reason));
    return true;
  end if;
  return exists (select from conversation where tenant_id = p_tenant and conversation_id = p_conversation);
end
$$;

create function conversation_give_back(p_tenant uuid, p_conversation uuid) returns boolean
language plpgsql as $$
begin
  update conversation set handed_off_at = null, handoff_reason = null
  where tenant_id = p_tenant and conversation_id = p_conversation and handed_off_at is not null;
  if found then
    perform event_push(p_tenant, 'conversation.given_back', p_conversation, '{}');
    return true;
  end if;
  return exists (select from conversation where tenant_id = p_tenant and conversation_id = p_conversation);
end
$$;

create function customer_opt_out(p_tenant uuid, p_customer uuid, p_opted_out boolean) returns boolean
language plpgsql as $$
begin
  update customer set opted_out_at = case when p_opted_out then clock_timestamp() end
  where tenant_id = p_tenant and customer_id = p_customer and (opted_out_at is not null) <> p_opted_out;
  if found then
    perform event_push(p_tenant, case when p_opted_out then 'customer.opted_out' else 'customer.opted_in' end,
                       (select conversation_id from conversation
                        where tenant_id = p_tenant and customer_id = p_customer and merged_into is null),
                       jsonb_build_object('customer_id', p_customer));
    return true;
  end if;
  return exists (select from customer where tenant_id = p_tenant and customer_id = p_customer);
end
$$;

create function turn_fail(p_tenant uuid, p_conversation uuid, p_epoch bigint, p_error text, p_backoff_ms bigint)
returns integer
language plpgsql as $$
declare
  v_attempts integer;
begin
  perform set_config('app.tenant_id', p_tenant::text, true);
  update conversation_cursor
  set attempts = attempts + 1, due_at = clock_timestamp() + p_backoff_ms * interval '1 millisecond'
  where tenant_id = p_tenant and conversation_id = p_conversation and epoch = p_epoch
  returning attempts into v_attempts;
  if found then
    perform event_push(p_tenant, 'turn.failed', p_conversation,
                       jsonb_build_object('attempts', v_attempts, 'error', p_error));
  end if;
  return v_attempts;
end
$$;

-- Gives up on a message; says so to people.
create function outbox_dead(p_tenant uuid, p_outbox uuid, p_code bigint, p_detail text) returns boolean
language plpgsql as $$
declare
  o outbox;
begin
  update outbox
  set state = 'dead', error_code = p_code, error_detail = p_detail, updated_at = clock_timestamp()
  where tenant_id = p_tenant and outbox_id = p_outbox and state in ('queued', 'sending', 'failed')
  returning * into o;
  if not found then
    -- A status may have said otherwise meanwhile: then that holds.
    return exists (select from outbox where tenant_id = p_tenant and outbox_id = p_outbox);
  end if;
  perform dead_letter_push(p_tenant, 'send', o.conversation_id, p_detail, jsonb_build_object(
    'outbox_id', o.outbox_id, 'turn_id', o.turn_id, 'channel_id', o.channel_id, 'kind', o.kind, 'body', o.body,
    'attempts', o.attempts, 'error_code', p_code));
  return true;
end
$$;

-- Messages of one account that may go now, at most one a conversation; marks them. One round trip, behind the wall.
create function outbox_take(p_tenant uuid, p_channel uuid, p_node text, p_lease_ms bigint, p_limit bigint)
returns table (
  outbox_id uuid, conversation_id uuid, kind text, text text, body jsonb, phone text, user_id text, attempt integer,
  last_inbound_at timestamptz, opted_out boolean, after_unknown boolean
)
language plpgsql as $$
#variable_conflict use_column
declare
  v_lease interval := p_lease_ms * interval '1 millisecond';
begin
  perform set_config('app.tenant_id', p_tenant::text, true);
  if exists (select from channel h
             where h.tenant_id = p_tenant and h.channel_id = p_channel and h.paused_reason is not null) then
    return;
  end if;

  -- The sender went away between sending and recording: wait once more, for a status.
  update outbox o
  set unknown_since = clock_timestamp(), due_at = clock_timestamp() + v_lease,
      error_detail = 'the sender stopped before it recorded the outcome', updated_at = clock_timestamp()
  where o.tenant_id = p_tenant and o.channel_id = p_channel and o.state = 'sending'
    and o.due_at <= clock_timestamp() and o.unknown_since is null;

  perform outbox_dead(p_tenant, u.outbox_id, u.error_code, 'the outcome of two sends is unknown')
  from (
    select o.outbox_id, o.error_code from outbox o
    where o.tenant_id = p_tenant and o.channel_id = p_channel and o.state = 'sending'
      and o.due_at <= clock_timestamp() and o.unknown_since is not null and o.resends > 0
    order by o.outbox_id for update skip locked
  ) u;

  return query
  with free as materialized (
    select o.outbox_id from outbox o
    where o.tenant_id = p_tenant and o.channel_id = p_channel and o.state in ('queued', 'sending')
      and o.due_at <= clock_timestamp()
      and not exists (
        select from outbox earlier
        where earlier.tenant_id = p_tenant and earlier.conversation_id = o.conversation_id
          and earlier.seq < o.seq and earlier.state in ('queued', 'sending'))
    order by o.due_at, o.outbox_id
    limit p_limit
    for no key update of o skip locked
  ), taken as (
    update outbox o
    set state = 'sending',
        attempts = o.attempts + 1,
        resends = o.resends + case when o.state = 'sending' then 1 else 0 end,
        unknown_since = null,
        due_at = clock_timestamp() + v_lease,
        node = p_node,
        updated_at = clock_timestamp()
    from free f
    where o.tenant_id = p_tenant and o.outbox_id = f.outbox_id
    returning o.*
  )
  select t.outbox_id, t.conversation_id, t.kind, t.text, t.body, p.phone, p.user_id, t.attempts,
         c.last_inbound_at, p.opted_out_at is not null, t.resends > 0
  from taken t
  join conversation v on v.tenant_id = p_tenant and v.conversation_id = t.conversation_id
  join conversation_cursor c on c.tenant_id = p_tenant and c.conversation_id = t.conversation_id
  join customer p on p.tenant_id = p_tenant and p.customer_id = v.customer_id
  order by t.created_at, t.outbox_id;
end
$$;

-- Moves one message by one report.
create function outbox_move(
  p_tenant uuid, p_outbox uuid, p_provider_message_id text, p_state text, p_code bigint, p_detail text, p_raw jsonb
) returns table (moved boolean, state text)
language plpgsql as $$
#variable_conflict use_column
declare
  o outbox;
  v_state text;
begin
  select * into o from outbox b where b.tenant_id = p_tenant and b.outbox_id = p_outbox for no key update;
  v_state := delivery_merge(o.state, p_state);
  if v_state = o.state and o.provider_message_id is not null and (p_raw is null or o.reports ? p_state) then
    return query select false, v_state;
    return;
  end if;
  update outbox b
  set state = v_state,
      provider_message_id = coalesce(b.provider_message_id, p_provider_message_id),
      unknown_since = case when v_state in ('queued', 'sending') then b.unknown_since end,
      error_code = case when v_state = 'failed' then coalesce(p_code, b.error_code) else b.error_code end,
      error_detail = case when v_state = 'failed' then coalesce(p_detail, b.error_detail) else b.error_detail end,
      reports = case when p_raw is null then b.reports else b.reports || jsonb_build_object(p_state, p_raw) end,
      updated_at = clock_timestamp()
  where b.tenant_id = p_tenant and b.outbox_id = p_outbox;
  if v_state = 'failed' and o.state <> 'failed' then
    perform event_push(p_tenant, 'message.failed', o.conversation_id,
                       jsonb_build_object('outbox_id', p_outbox, 'error_code', p_code, 'detail', p_detail));
  end if;
  return query select v_state <> o.state, v_state;
end
$$;

-- The channel accepted it. The lock is the one outbox_report takes for the same id: a status is either parked before
-- this looks for parked ones, or finds the id recorded.
create function outbox_sent(p_tenant uuid, p_outbox uuid, p_provider_message_id text) returns boolean
language plpgsql as $$
declare
  v_channel uuid;
  s parked_status;
begin
  select channel_id into v_channel from outbox where tenant_id = p_tenant and outbox_id = p_outbox;
  if not found then
    return false;
  end if;
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'status:' || v_channel || ':' || p_provider_message_id));
  perform outbox_move(p_tenant, p_outbox, p_provider_message_id, 'sent', null, null, null);
  for s in
    delete from parked_status
    where tenant_id = p_tenant and channel_id = v_channel and provider_message_id = p_provider_message_id
    returning *
  loop
    perform outbox_move(p_tenant, p_outbox, p_provider_message_id, s.state, s.error_code, s.error_detail, s.raw);
  end loop;
  return true;
end
$$;

-- A status webhook: found by the channel's id, else by our tag, else parked.
create function outbox_report(
  p_tenant uuid, p_channel uuid, p_provider_message_id text, p_outbox uuid, p_state text, p_at timestamptz,
  p_code bigint, p_detail text, p_raw jsonb
) returns table (moved boolean, state text)
language plpgsql as $$
#variable_conflict use_column
declare
  v_outbox uuid;
begin
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'status:' || p_channel || ':' || p_provider_message_id));
  select b.outbox_id into v_outbox from outbox b
  where b.tenant_id = p_tenant and b.channel_id = p_channel and b.provider_message_id = p_provider_message_id
  order by b.created_at limit 1;
  if not found then
    select b.outbox_id into v_outbox from outbox b
    where b.tenant_id = p_tenant and b.channel_id = p_channel and b.outbox_id = p_outbox;
  end if;
  if v_outbox is null then
    insert into parked_status (tenant_id, channel_id, provider_message_id, state, at, error_code, error_detail, raw)
    values (p_tenant, p_channel, p_provider_message_id, p_state, p_at, p_code, p_detail, p_raw)
    on conflict (tenant_id, channel_id, provider_message_id, state) do nothing;
    return;
  end if;
  return query
    select * from outbox_move(p_tenant, v_outbox, p_provider_message_id, p_state, p_code, p_detail, p_raw);
end
$$;

-- A message of a person of the shop: to be sent, or said already in the shop's own app. An echo that comes again
-- changes nothing.
create function outbox_push_human(
  p_tenant uuid, p_conversation uuid, p_outbox uuid, p_kind text, p_text text, p_body jsonb, p_provider_message_id text
) returns boolean
language plpgsql as $$
declare
  v conversation;
  v_channel text;
  v_seq bigint;
begin
  select * into v from conversation where tenant_id = p_tenant and conversation_id = p_conversation;
  if not found then
    return false;
  end if;
  select kind into v_channel from channel where tenant_id = p_tenant and channel_id = v.channel_id;
  update conversation_cursor set out_seq = out_seq + 1
  where tenant_id = p_tenant and conversation_id = p_conversation
  returning out_seq into v_seq;
  if p_provider_message_id is not null then
    perform pg_advisory_xact_lock(lock_key(p_tenant, 'status:' || v.channel_id || ':' || p_provider_message_id));
    if exists (select from outbox where tenant_id = p_tenant and channel_id = v.channel_id
               and provider_message_id = p_provider_message_id) then
      return true;
    end if;
  end if;
  insert into outbox (tenant_id, outbox_id, conversation_id, seq, channel_id, author, kind, text, body, state)
  values (p_tenant, p_outbox, p_conversation, v_seq, v.channel_id, 'human', p_kind, p_text, p_body,
          case when v_channel = 'api' then 'delivered' else 'queued' end);
  if p_provider_message_id is not null then
    perform outbox_sent(p_tenant, p_outbox, p_provider_message_id);
  end if;
  return true;
end
$$;

-- Accounts with something to send now, of any shop. Hops through the partial index account by account, as
-- conversation_due does.
create function outbox_due_channels() returns table (tenant_id uuid, channel_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive account as (
    (select o.tenant_id, o.channel_id from outbox o
     where o.state in ('queued', 'sending') order by o.tenant_id, o.channel_id limit 1)
    union all
    select n.tenant_id, n.channel_id
    from account a
    cross join lateral (
      select o.tenant_id, o.channel_id from outbox o
      where o.state in ('queued', 'sending') and (o.tenant_id, o.channel_id) > (a.tenant_id, a.channel_id)
      order by o.tenant_id, o.channel_id limit 1
    ) n
  )
  select a.tenant_id, a.channel_id
  from account a
  join channel h on h.tenant_id = a.tenant_id and h.channel_id = a.channel_id and h.paused_reason is null
  where exists (
    select from outbox o
    where o.tenant_id = a.tenant_id and o.channel_id = a.channel_id
      and o.state in ('queued', 'sending') and o.due_at <= clock_timestamp())
$$;
revoke execute on function outbox_due_channels() from public;
grant execute on function outbox_due_channels() to balcao_app;

-- Tries a dead letter again. Sends are queued anew; a turn's messages are appended anew under ids of their own, at the
-- end of the conversation, so that what came after them is not answered twice.
create function dead_letter_replay(p_tenant uuid, p_dead_letter uuid) returns text
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
    update outbox
    set state = 'queued', attempts = 0, resends = 0, unknown_since = null, due_at = clock_timestamp(),
        updated_at = clock_timestamp()
    where tenant_id = p_tenant and outbox_id = (d.evidence ->> 'outbox_id')::uuid and state in ('dead', 'failed');
  elsif d.kind = 'turn' and d.conversation_id is not null
        and jsonb_typeof(d.evidence -> 'first_seq') = 'number' and jsonb_typeof(d.evidence -> 'last_seq') = 'number' then
    perform inbox_repeat(p_tenant, d.conversation_id, (d.evidence ->> 'first_seq')::bigint,
                         (d.evidence ->> 'last_seq')::bigint, 'replay:' || d.dead_letter_id || ':');
  else
    return 'not_replayable';
  end if;
  update dead_letter set resolved_at = clock_timestamp() where tenant_id = p_tenant and dead_letter_id = p_dead_letter;
  return 'replayed';
end
$$;

create function inbox_repeat(p_tenant uuid, p_conversation uuid, p_first bigint, p_last bigint, p_prefix text) returns void
language plpgsql as $$
declare
  c conversation_cursor;
  v_count bigint;
begin
  select * into c from conversation_cursor
  where tenant_id = p_tenant and conversation_id = p_conversation for no key update;
  insert into inbox (tenant_id, conversation_id, seq, channel_id, provider_message_id, kind, sent_at, received_at, payload)
  select p_tenant, p_conversation, c.head_seq + row_number() over (order by i.seq), i.channel_id,
         p_prefix || i.provider_message_id, i.kind, i.sent_at, clock_timestamp(), i.payload
  from inbox i
  where i.tenant_id = p_tenant and i.conversation_id = p_conversation and i.seq between p_first and p_last;
  get diagnostics v_count = row_count;
  update conversation_cursor set head_seq = head_seq + v_count, due_at = clock_timestamp()
  where tenant_id = p_tenant and conversation_id = p_conversation;
end
$$;
