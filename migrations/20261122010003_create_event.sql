-- What happened, what was set aside, and the answers already given to repeated requests.

create table event (
  tenant_id uuid not null,
  event_id uuid not null,
  -- The writing transaction: readers go in this order and stop before transactions still running, so that a late
  -- commit is never skipped by a cursor that has passed it.
  xid xid8 not null default pg_current_xact_id(),
  kind text not null,
  conversation_id uuid,
  data jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint event_pkey primary key (tenant_id, event_id),
  constraint event_tenant_fkey foreign key (tenant_id) references tenant (tenant_id) on delete cascade
);
select wall_in('event');
create index event_in_order on event (tenant_id, xid, event_id);

create table dead_letter (
  tenant_id uuid not null,
  dead_letter_id uuid not null,
  kind text not null,
  conversation_id uuid,
  reason text not null,
  evidence jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  constraint dead_letter_pkey primary key (tenant_id, dead_letter_id),
  constraint dead_letter_tenant_fkey foreign key (tenant_id) references tenant (tenant_id) on delete cascade
);
select wall_in('dead_letter');

create table idempotency_key (
  tenant_id uuid not null,
  key text not null,
  request_hash bytea not null,
  -- Null while the request is at work.
  status integer,
  body jsonb,
  reserved_at timestamptz not null default clock_timestamp(),
  constraint idempotency_key_pkey primary key (tenant_id, key),
  constraint idempotency_key_tenant_fkey foreign key (tenant_id) references tenant (tenant_id) on delete cascade
);
select wall_in('idempotency_key');

create function event_push(p_tenant uuid, p_kind text, p_conversation uuid, p_data jsonb) returns uuid
language sql as $$
  insert into event (tenant_id, event_id, kind, conversation_id, data)
  values (p_tenant, new_id(), p_kind, p_conversation, p_data)
  returning event_id
$$;

create function dead_letter_push(p_tenant uuid, p_kind text, p_conversation uuid, p_reason text, p_evidence jsonb) returns uuid
language plpgsql as $$
declare
  v_id uuid := new_id();
begin
  insert into dead_letter (tenant_id, dead_letter_id, kind, conversation_id, reason, evidence)
  values (p_tenant, v_id, p_kind, p_conversation, p_reason, p_evidence);
  perform event_push(p_tenant, 'dead_letter.created', p_conversation,
                     jsonb_build_object('dead_letter_id', v_id, 'kind', p_kind));
  return v_id;
end
$$;

-- A key serves one request: fresh, replay, in_progress or mismatch. A second caller waits on the first one's row only
-- while the first one's transaction runs.
create function idempotency_begin(p_tenant uuid, p_key text, p_request_hash bytea)
returns table (verdict text, status integer, body jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  v_known idempotency_key;
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
     or v_known.reserved_at < clock_timestamp() - interval '1 day' then
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
