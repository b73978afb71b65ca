-- Shops, their API keys, and the wall between them.
--
-- Every table of a shop's data has tenant_id first in its keys and stands behind `tenant_wall`: the one policy that
-- applies to the server's role. The strict one-argument current_setting makes a statement without a tenant fail
-- (never set: unknown parameter; set and ended: an empty string is no uuid) instead of showing anything.
--
-- What has no tenant yet (whose key is this?) goes through SECURITY DEFINER functions. They run as balcao_owner, which
-- FORCE holds behind the wall too, so the few tables they read say so with `owner_passage`, a policy for that role alone.

create function wall_in(p_table regclass) returns void
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', p_table);
  execute format('alter table %s force row level security', p_table);
  execute format(
    'create policy tenant_wall on %s for all to public
       using (tenant_id = (select current_setting(''app.tenant_id'')::uuid))
       with check (tenant_id = (select current_setting(''app.tenant_id'')::uuid))', p_table);
  execute format('grant select, insert, update, delete on %s to balcao_app', p_table);
end
$$;
revoke execute on function wall_in(regclass) from public;

create function let_owner_pass(p_table regclass) returns void
language plpgsql as $$
begin
  execute format('create policy owner_passage on %s for all to balcao_owner using (true) with check (true)', p_table);
end
$$;
revoke execute on function let_owner_pass(regclass) from public;

-- A time-ordered id (UUID version 7), for rows that SQL makes. Postgres 16 and 17 have no uuidv7().
create function new_id() returns uuid
language sql volatile parallel safe
as $$
  select encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
              from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;

-- Advisory locks are global to a database: the tenant is part of the key, or one shop could block another.
create function lock_key(p_tenant uuid, p_key text) returns bigint
language sql immutable parallel safe
as $$ select hashtextextended(p_tenant::text || ':' || p_key, 0) $$;

create table tenant (
  tenant_id uuid not null,
  slug text not null,
  name text not null,
  language text not null,
  settings jsonb not null,
  created_at timestamptz not null default now(),
  constraint tenant_pkey primary key (tenant_id),
  constraint tenant_slug_form check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint tenant_language_known check (language in ('pt', 'en'))
);
select wall_in('tenant'), let_owner_pass('tenant');
-- A shop is made and removed by functions, never by the server's own statement.
revoke insert, delete on tenant from balcao_app;
-- Not unique, so it tells nobody anything: tenant_create sees to that under a lock.
create index tenant_slug_route on tenant (slug);

create table api_key (
  tenant_id uuid not null,
  key_id uuid not null,
  name text not null,
  hint text not null,
  secret_hash bytea not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  constraint api_key_pkey primary key (tenant_id, key_id),
  constraint api_key_tenant_fkey foreign key (tenant_id) references tenant (tenant_id) on delete cascade,
  constraint api_key_hash_is_sha256 check (octet_length(secret_hash) = 32)
);
select wall_in('api_key'), let_owner_pass('api_key');
-- A key arrives without its tenant: this finds it.
create index api_key_secret_route on api_key (secret_hash);

create function tenant_create(p_tenant uuid, p_slug text, p_name text, p_language text, p_settings jsonb)
returns timestamptz
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_created_at timestamptz;
begin
  perform pg_advisory_xact_lock(hashtextextended('tenant:slug:' || p_slug, 0));
  if exists (select from tenant where slug = p_slug) then
    raise unique_violation using constraint = 'tenant_slug_unique', message = 'the slug is taken';
  end if;
  insert into tenant (tenant_id, slug, name, language, settings)
  values (p_tenant, p_slug, p_name, p_language, p_settings)
  returning created_at into v_created_at;
  return v_created_at;
end
$$;

create function tenant_by_slug(p_slug text) returns setof tenant
language sql stable security definer set search_path = public, pg_temp
as $$ select * from tenant where slug = p_slug $$;

create function tenant_list() returns setof tenant
language sql stable security definer set search_path = public, pg_temp
as $$ select * from tenant order by slug $$;

create function tenant_delete(p_tenant uuid) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  delete from tenant where tenant_id = p_tenant;
  return found;
end
$$;

-- Whose key, by the hash of its secret. Its use is noted at most once a minute, so that a busy key costs no writes.
create function api_key_authenticate(p_secret_hash bytea)
returns table (tenant_id uuid, key_id uuid, scopes text[])
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  update api_key k set last_used_at = now()
  where k.secret_hash = p_secret_hash
    and k.revoked_at is null
    and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  return query
    select k.tenant_id, k.key_id, k.scopes
    from api_key k
    where k.secret_hash = p_secret_hash and k.revoked_at is null;
end
$$;

revoke execute on function tenant_create(uuid, text, text, text, jsonb), tenant_by_slug(text), tenant_list(),
  tenant_delete(uuid), api_key_authenticate(bytea) from public;
grant execute on function tenant_create(uuid, text, text, text, jsonb), tenant_by_slug(text), tenant_list(),
  tenant_delete(uuid), api_key_authenticate(bytea) to balcao_app;
