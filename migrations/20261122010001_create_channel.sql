-- Accounts on channels. Credentials are encrypted by the server before they come here (see src/store/keyring.rs).
--
-- A webhook knows an account's outside id and not its tenant: the functions below route it. That one number belongs
-- to one shop is kept by channel_reserve under a lock, not by a unique key across tenants, which would tell one
-- shop of another's row.

create table channel (
  tenant_id uuid not null,
  channel_id uuid not null,
  kind text not null,
  external_id text not null,
  waba_id text,
  display text not null,
  paused_reason text,
  credentials bytea,
  created_at timestamptz not null default now(),
  constraint channel_pkey primary key (tenant_id, channel_id),
  constraint channel_tenant_fkey foreign key (tenant_id) references tenant (tenant_id) on delete cascade,
  constraint channel_external_id_unique unique (tenant_id, kind, external_id),
  constraint channel_kind_known check (kind in ('whatsapp', 'api'))
);
select wall_in('channel'), let_owner_pass('channel');
create index channel_id_route on channel (channel_id);
create index channel_external_route on channel (external_id) where kind <> 'api';
create index channel_waba_route on channel (waba_id) where waba_id is not null;

-- Fails when some shop has this account already; holds the name until the transaction ends.
create function channel_reserve(p_kind text, p_external_id text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('channel:' || p_kind || ':' || p_external_id, 0));
  if exists (select from channel where kind = p_kind and external_id = p_external_id) then
    raise unique_violation using constraint = 'channel_external_id_unique', message = 'the account is connected already';
  end if;
end
$$;

create function channel_by_id(p_channel uuid) returns setof channel
language sql stable security definer set search_path = public, pg_temp
as $$ select * from channel where channel_id = p_channel $$;

create function channel_by_external(p_kind text, p_external_id text) returns setof channel
language sql stable security definer set search_path = public, pg_temp
as $$ select * from channel where kind = p_kind and external_id = p_external_id and kind <> 'api' $$;

create function channel_by_waba(p_waba_id text) returns setof channel
language sql stable security definer set search_path = public, pg_temp
as $$ select * from channel where waba_id = p_waba_id order by channel_id $$;

create function channel_all() returns setof channel
language sql stable security definer set search_path = public, pg_temp
as $$ select * from channel order by tenant_id, channel_id $$;

revoke execute on function channel_reserve(text, text), channel_by_id(uuid), channel_by_external(text, text),
  channel_by_waba(text), channel_all() from public;
grant execute on function channel_reserve(text, text), channel_by_id(uuid), channel_by_external(text, text),
  channel_by_waba(text), channel_all() to balcao_app;
