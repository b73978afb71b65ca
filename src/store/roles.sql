-- The two roles, once per cluster, and what they may do in this database. Run by the migrating user before the
-- migrations, again and again: every statement is harmless the second time.
--
-- balcao_owner  owns every table and function; nobody logs in as it.
-- balcao_app    the server's own role: logs in, owns nothing, bypasses nothing.
--
-- Two migrations of one database wait for each other here. Roles belong to the whole cluster, where advisory locks do
-- not reach, so a role that appears meanwhile is no error either.
select pg_advisory_lock(hashtextextended('balcao:roles', 0));

do $$
begin
  begin
    if not exists (select from pg_roles where rolname = 'balcao_owner') then
      create role balcao_owner nologin nosuperuser nocreatedb nocreaterole;
    end if;
  exception when duplicate_object or unique_violation then null;
  end;
  begin
    if not exists (select from pg_roles where rolname = 'balcao_app') then
      create role balcao_app login nosuperuser nocreatedb nocreaterole noinherit;
    end if;
  exception when duplicate_object or unique_violation then null;
  end;
  -- A superuser may become the owner as it is; anybody else is made a member.
  if not pg_has_role(current_user, 'balcao_owner', 'set') then
    execute format('grant balcao_owner to %I', current_user);
  end if;
  execute format('grant connect on database %I to balcao_app', current_database());
end
$$;

grant usage, create on schema public to balcao_owner;
grant usage on schema public to balcao_app;
revoke create on schema public from public;

select pg_advisory_unlock(hashtextextended('balcao:roles', 0));
