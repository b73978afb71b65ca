-- People, the ids they are known by, and their conversations.
--
-- A person is known by a user id, a phone number, or both, and these come and go. An id row points at its person;
-- joining two people moves the rows. Ids are never deleted when they change, only retired, so that announcements
-- and messages lead to one person in whatever order they arrive.

create table customer (
  tenant_id uuid not null,
  customer_id uuid not null,
  channel_id uuid not null,
  name text,
  username text,
  -- The ids to write to, derived from customer_identity by customer_refresh.
  phone text,
  user_id text,
  opted_out_at timestamptz,
  marketing_opted_out_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  constraint customer_pkey primary key (tenant_id, customer_id),
  constraint customer_channel_fkey foreign key (tenant_id, channel_id)
    references channel (tenant_id, channel_id) on delete cascade
);
select wall_in('customer');

create table customer_identity (
  tenant_id uuid not null,
  channel_id uuid not null,
  -- `user_id`, `phone`; and `change`: an announcement that was applied, so that a late repeat of it cannot join people
  -- again after the number has passed to somebody else.
  kind text not null,
  value text not null,
  customer_id uuid not null,
  seen_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz,
  constraint customer_identity_pkey primary key (tenant_id, channel_id, kind, value),
  constraint customer_identity_customer_fkey foreign key (tenant_id, customer_id)
    references customer (tenant_id, customer_id) on delete cascade,
  constraint customer_identity_kind_known check (kind in ('user_id', 'phone', 'change'))
);
select wall_in('customer_identity');
create index customer_identity_customer on customer_identity (tenant_id, customer_id);

create table conversation (
  tenant_id uuid not null,
  conversation_id uuid not null,
  channel_id uuid not null,
  customer_id uuid not null,
  -- The caller's own id; API channel only.
  external_id text,
  -- The person turned out to be one we knew: new messages go to that conversation, this one ends its own.
  merged_into uuid,
  handed_off_at timestamptz,
  handoff_reason text,
  created_at timestamptz not null default clock_timestamp(),
  constraint conversation_pkey primary key (tenant_id, conversation_id),
  constraint conversation_channel_fkey foreign key (tenant_id, channel_id)
    references channel (tenant_id, channel_id) on delete cascade,
  constraint conversation_customer_fkey foreign key (tenant_id, customer_id)
    references customer (tenant_id, customer_id) on delete cascade,
  constraint conversation_merged_into_fkey foreign key (tenant_id, merged_into)
    references conversation (tenant_id, conversation_id) on delete cascade
);
select wall_in('conversation');
create unique index conversation_customer_unique on conversation (tenant_id, customer_id) where merged_into is null;
create unique index conversation_external_unique on conversation (tenant_id, channel_id, external_id);
create index conversation_merged_into on conversation (tenant_id, merged_into) where merged_into is not null;

-- What changes with every message, apart from what does not: one narrow row a conversation, the unit of claim.
create table conversation_cursor (
  tenant_id uuid not null,
  conversation_id uuid not null,
  -- The last message stored, and the last one done with.
  head_seq bigint not null default 0,
  acked_seq bigint not null default 0,
  -- The last reply queued.
  out_seq bigint not null default 0,
  -- The fencing token: raised whenever the conversation passes into other hands.
  epoch bigint not null default 0,
  owner text,
  lease_until timestamptz,
  due_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  last_inbound_at timestamptz,
  constraint conversation_cursor_pkey primary key (tenant_id, conversation_id),
  constraint conversation_cursor_conversation_fkey foreign key (tenant_id, conversation_id)
    references conversation (tenant_id, conversation_id) on delete cascade,
  constraint conversation_cursor_order check (0 <= acked_seq and acked_seq <= head_seq)
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0.1,
  autovacuum_vacuum_cost_delay = 0
);
select wall_in('conversation_cursor'), let_owner_pass('conversation_cursor');
create index conversation_cursor_due on conversation_cursor (tenant_id, due_at) where head_seq > acked_seq;

-- The ids to write to: those still in use first, then those seen last.
create function customer_refresh(p_tenant uuid, p_customer uuid) returns void
language sql as $$
  update customer c
  set phone = (
        select i.value from customer_identity i
        where i.tenant_id = p_tenant and i.customer_id = p_customer and i.kind = 'phone'
        order by i.retired_at is not null, i.seen_at desc, i.value limit 1),
      user_id = (
        select i.value from customer_identity i
        where i.tenant_id = p_tenant and i.customer_id = p_customer and i.kind = 'user_id'
        order by i.retired_at is not null, i.seen_at desc, i.value limit 1)
  where c.tenant_id = p_tenant and c.customer_id = p_customer
$$;

-- Two rows turned out to be one person. The loser's conversation keeps its messages and points at the winner's.
create function customer_merge(p_tenant uuid, p_winner uuid, p_loser uuid) returns void
language plpgsql as $$
declare
  v_keep conversation;
  v_give conversation;
begin
  select * into v_keep from conversation
  where tenant_id = p_tenant and customer_id = p_winner and merged_into is null for update;
  select * into v_give from conversation
  where tenant_id = p_tenant and customer_id = p_loser and merged_into is null for update;

  if v_keep.conversation_id is not null and v_give.conversation_id is not null then
    update conversation set merged_into = v_keep.conversation_id
    where tenant_id = p_tenant
      and (conversation_id = v_give.conversation_id or merged_into = v_give.conversation_id);
    if v_give.handed_off_at is not null and v_keep.handed_off_at is null then
      update conversation
      set handed_off_at = v_give.handed_off_at, handoff_reason = v_give.handoff_reason
      where tenant_id = p_tenant and conversation_id = v_keep.conversation_id;
    end if;
    update conversation_cursor c
    set last_inbound_at = greatest(c.last_inbound_at, g.last_inbound_at)
    from conversation_cursor g
    where c.tenant_id = p_tenant and c.conversation_id = v_keep.conversation_id
      and g.tenant_id = p_tenant and g.conversation_id = v_give.conversation_id;
  end if;
  update conversation set customer_id = p_winner where tenant_id = p_tenant and customer_id = p_loser;
  update customer_identity set customer_id = p_winner where tenant_id = p_tenant and customer_id = p_loser;
  update customer w
  set name = coalesce(w.name, l.name),
      username = coalesce(w.username, l.username),
      -- Who said stop under any name has said stop.
      opted_out_at = coalesce(w.opted_out_at, l.opted_out_at),
      marketing_opted_out_at = coalesce(w.marketing_opted_out_at, l.marketing_opted_out_at)
  from customer l
  where w.tenant_id = p_tenant and w.customer_id = p_winner
    and l.tenant_id = p_tenant and l.customer_id = p_loser;
  delete from customer where tenant_id = p_tenant and customer_id = p_loser;
end
$$;

-- The one person behind these ids: found, made, or joined from several. Phones come with every written form; the first
-- is the number as the channel wrote it. `p_announced` says that the channel itself vouches that they are one person.
create function customer_unify(
  p_tenant uuid, p_channel uuid, p_user_ids text[], p_phones text[], p_phone_forms text[], p_announced boolean
) returns uuid
language plpgsql as $$
declare
  v_people uuid[];
  v_winner uuid;
  v_loser uuid;
begin
  -- One writer for each id; the smallest form stands for all forms of a number. Sorted, so that nobody waits in a ring.
  perform pg_advisory_xact_lock(k.key)
  from (
    select distinct lock_key(p_tenant, 'identity:' || p_channel || ':' || ids.id) as key
    from (select 'u:' || u as id from unnest(p_user_ids) u
          union all
          select 'p:' || f from unnest(p_phone_forms) f) ids
    order by 1
  ) k;

  -- Two look-ups by key: as one with an `or` it would read every id of the account.
  select array_agg(found.customer_id) into v_people
  from (
    select i.customer_id
    from customer_identity i
    where i.tenant_id = p_tenant and i.channel_id = p_channel
      and i.kind = 'user_id' and i.value = any(p_user_ids)
    union
    select i.customer_id
    from customer_identity i
    where i.tenant_id = p_tenant and i.channel_id = p_channel
      and i.kind = 'phone' and i.value = any(p_phone_forms)
      -- The same number under another user id is another person: the number has moved on.
      and (p_announced or cardinality(p_user_ids) = 0
           or not exists (
             select from customer_identity other
             where other.tenant_id = p_tenant and other.customer_id = i.customer_id and other.kind = 'user_id')
           or exists (
             select from customer_identity same
             where same.tenant_id = p_tenant and same.customer_id = i.customer_id
               and same.kind = 'user_id' and same.value = any(p_user_ids)))
  ) found;
  if v_people is not null then
    select array_agg(c.customer_id order by c.created_at, c.customer_id) into v_people
    from customer c
    where c.tenant_id = p_tenant and c.customer_id = any(v_people);
  end if;

  if v_people is null then
    v_winner := new_id();
    insert into customer (tenant_id, customer_id, channel_id) values (p_tenant, v_winner, p_channel);
    return v_winner;
  end if;

  perform from customer where tenant_id = p_tenant and customer_id = any(v_people) order by customer_id for update;
  v_winner := v_people[1];
  foreach v_loser in array v_people[2:] loop
    perform customer_merge(p_tenant, v_winner, v_loser);
  end loop;
  return v_winner;
end
$$;

-- Notes that a person goes by an id now. A retired id stays retired, whoever's it becomes: the message that shows it
-- may be old. It is still written to when the person has no other.
create function customer_identify(p_tenant uuid, p_channel uuid, p_customer uuid, p_kind text, p_value text, p_retire boolean)
returns void
language sql as $$
  insert into customer_identity (tenant_id, channel_id, kind, value, customer_id, retired_at)
  select p_tenant, p_channel, p_kind, p_value, p_customer, case when p_retire then clock_timestamp() end
  where p_value is not null
  on conflict (tenant_id, channel_id, kind, value) do update
  set customer_id = excluded.customer_id,
      seen_at = excluded.seen_at,
      retired_at = coalesce(customer_identity.retired_at, excluded.retired_at)
$$;

create function customer_resolve(
  p_tenant uuid, p_channel uuid, p_user_id text, p_phone text, p_phone_forms text[], p_name text, p_username text
) returns table (customer_id uuid, conversation_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  v_kind text;
  v_customer uuid;
  v_conversation uuid;
  v_unchanged boolean;
  v_previous uuid;
begin
  -- Nearly always everything is known: then nothing is locked and nothing written. One look-up by key after the other:
  -- joined, a plan made while the tables were small would start from all of a shop's customers.
  select i.customer_id into v_customer
  from customer_identity i
  where i.tenant_id = p_tenant and i.channel_id = p_channel
    and i.kind = case when p_user_id is null then 'phone' else 'user_id' end
    and i.value = coalesce(p_user_id, p_phone);
  if v_customer is not null then
    select (p_user_id is null or c.user_id = p_user_id)
             and (p_phone is null or c.phone = p_phone)
             and (p_name is null or c.name is not distinct from p_name)
             and (p_username is null or c.username is not distinct from p_username)
    into v_unchanged
    from customer c
    where c.tenant_id = p_tenant and c.customer_id = v_customer;
    select v.conversation_id into v_conversation
    from conversation v
    where v.tenant_id = p_tenant and v.customer_id = v_customer and v.merged_into is null;
    v_unchanged := v_unchanged and v_conversation is not null;
  end if;
  if v_unchanged then
    return query select v_customer, v_conversation;
    return;
  end if;

  select c.kind into v_kind from channel c where c.tenant_id = p_tenant and c.channel_id = p_channel;
  if not found then
    return;
  end if;

  v_customer := customer_unify(
    p_tenant, p_channel, array_remove(array[p_user_id], null), array_remove(array[p_phone], null), p_phone_forms, false);
  -- A number that comes with another user id leaves its former person.
  select i.customer_id into v_previous from customer_identity i
  where i.tenant_id = p_tenant and i.channel_id = p_channel and i.kind = 'phone' and i.value = p_phone
    and i.customer_id <> v_customer;
  perform customer_identify(p_tenant, p_channel, v_customer, 'user_id', p_user_id, false);
  perform customer_identify(p_tenant, p_channel, v_customer, 'phone', p_phone, false);
  perform customer_refresh(p_tenant, v_customer);
  if v_previous is not null then
    perform customer_refresh(p_tenant, v_previous);
  end if;
  update customer c
  set name = coalesce(p_name, c.name), username = coalesce(p_username, c.username)
  where c.tenant_id = p_tenant and c.customer_id = v_customer;

  select v.conversation_id into v_conversation from conversation v
  where v.tenant_id = p_tenant and v.customer_id = v_customer and v.merged_into is null;
  if not found then
    v_conversation := new_id();
    insert into conversation (tenant_id, conversation_id, channel_id, customer_id, external_id)
    values (p_tenant, v_conversation, p_channel, v_customer, case when v_kind = 'api' then p_user_id end);
    insert into conversation_cursor (tenant_id, conversation_id) values (p_tenant, v_conversation);
  end if;
  return query select v_customer, v_conversation;
end
$$;

create function customer_change_identity(
  p_tenant uuid, p_channel uuid,
  p_before_user_id text, p_before_phone text, p_before_forms text[],
  p_after_user_id text, p_after_phone text, p_after_forms text[]
) returns void
language plpgsql as $$
declare
  v_key text := encode(sha256(convert_to(
    jsonb_build_array(p_before_user_id, p_before_phone, p_after_user_id, p_after_phone)::text, 'utf8')), 'hex');
  v_customer uuid;
begin
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'identity-change:' || p_channel || ':' || v_key));
  if exists (
    select from customer_identity
    where tenant_id = p_tenant and channel_id = p_channel and kind = 'change' and value = v_key
  ) then
    return;
  end if;
  v_customer := customer_unify(
    p_tenant, p_channel,
    array_remove(array[p_before_user_id, p_after_user_id], null),
    array_remove(array[p_before_phone, p_after_phone], null),
    p_before_forms || p_after_forms, true);
  -- An id on both sides has not changed.
  perform customer_identify(p_tenant, p_channel, v_customer, 'user_id', p_before_user_id,
                            p_after_user_id is not null and p_after_user_id <> p_before_user_id);
  perform customer_identify(p_tenant, p_channel, v_customer, 'phone', p_before_phone,
                            p_after_phone is not null and p_after_phone <> p_before_phone);
  perform customer_identify(p_tenant, p_channel, v_customer, 'user_id', p_after_user_id, false);
  perform customer_identify(p_tenant, p_channel, v_customer, 'phone', p_after_phone, false);
  perform customer_identify(p_tenant, p_channel, v_customer, 'change', v_key, false);
  perform customer_refresh(p_tenant, v_customer);
end
$$;
