-- Catalogues that are followed: an address that is read again and again.
--
-- Why so:
-- * A feed is claimed by moving its time on, like everything that is called out of a transaction: a node that dies while
--   it reads lets the claim run out.
-- * While its source is away, what was read last stays on the shelf. `last_ok_at` says how old that is.
--
-- The code that runs before this migration follows nothing.

create table catalogue_feed (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  feed_id uuid not null,
  source text not null,
  url text not null,
  currency text not null,
  -- It is all that the source has: what it no longer names leaves the shelf.
  complete boolean not null,
  every_seconds integer not null,
  -- Headers to ask with, such as a token: JSON, sealed. Null: none.
  headers bytea,
  -- What the source said of the version that was read last, so that the same again is not sent.
  etag text,
  last_modified text,
  due_at timestamptz not null default clock_timestamp(),
  failures integer not null default 0,
  last_ok_at timestamptz,
  last_error text,
  products bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  constraint catalogue_feed_pkey primary key (tenant_id, feed_id),
  constraint catalogue_feed_url_unique unique (tenant_id, url),
  constraint catalogue_feed_every_sensible check (every_seconds between 1 and 604800)
);
create index catalogue_feed_due_route on catalogue_feed (due_at);
select wall_in('catalogue_feed'), let_owner_pass('catalogue_feed');

create function catalogue_feed_due(p_limit integer) returns table (tenant_id uuid, feed_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select f.tenant_id, f.feed_id from catalogue_feed f
  where f.due_at <= clock_timestamp() order by f.due_at limit p_limit
$$;
revoke execute on function catalogue_feed_due(integer) from public;
grant execute on function catalogue_feed_due(integer) to balcao_app;
