-- Charges made at payment providers, money given back through them, and the comparison of their books with ours.
--
-- Why so:
-- * A charge's own reference is stored before the provider is called, so that a call whose answer was lost finds the
--   same charge again. `issue_due_at` is the claim on that call: who makes it moves the time on, and a node that dies
--   in between lets it run out. `check_due_at` is the same for the question what became of a charge.
-- * A refund is a row before it is a call, with an id the provider takes as the idempotency key. It is settled by the
--   fact that its money moved, which only a provider's report or answer can be.
-- * What a provider reports and what it answers when asked go through the same rows (`payment_event`). A run of the
--   comparison is a row, too: what was asked, what we had missed, and of what there is no charge.
--
-- The code that runs before this migration makes no charges at providers; the new columns are null for its rows.

alter table payment_account
  -- The shop gave what is needed to call the provider.
  add column calls boolean not null default false,
  -- When its books are compared next.
  add column reconcile_due_at timestamptz;
create index payment_account_reconcile_route on payment_account (reconcile_due_at) where reconcile_due_at is not null;

-- Also lets the owner check the foreign key below.
select let_owner_pass('payment');
alter table payment
  -- Which account makes the charge; null where the shop's own PIX key needs nobody to make one.
  add column account_id uuid,
  -- What the provider calls it.
  add column provider_id text,
  add column issue_attempts integer not null default 0,
  -- When the provider is called to make it; null when it is made, or given up.
  add column issue_due_at timestamptz,
  -- When the provider is asked what became of it; null when there is nothing more to ask.
  add column check_due_at timestamptz,
  add constraint payment_account_fkey foreign key (tenant_id, account_id)
    references payment_account (tenant_id, account_id) on delete set null (account_id);
create unique index payment_provider_id_unique on payment (tenant_id, provider, provider_id)
  where provider_id is not null;
create index payment_issue_route on payment (issue_due_at) where issue_due_at is not null;
create index payment_check_route on payment (check_due_at) where check_due_at is not null;

create table refund (
  tenant_id uuid not null,
  refund_id uuid not null,
  payment_id uuid not null,
  -- The provider's idempotency key: letters and digits.
  reference text not null,
  minor bigint not null,
  -- Why, for whoever asks later.
  reason text not null,
  state text not null default 'requested',
  attempts integer not null default 0,
  due_at timestamptz not null default clock_timestamp(),
  note text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint refund_pkey primary key (tenant_id, refund_id),
  constraint refund_reference_unique unique (tenant_id, reference),
  constraint refund_payment_fkey foreign key (tenant_id, payment_id)
    references payment (tenant_id, payment_id) on delete cascade,
  constraint refund_state_known check (state in ('requested', 'sent', 'settled', 'failed')),
  constraint refund_amount_positive check (minor > 0)
);
create index refund_of_payment on refund (tenant_id, payment_id);
create index refund_due_route on refund (due_at) where state in ('requested', 'sent');

create table reconciliation (
  tenant_id uuid not null,
  reconciliation_id uuid not null,
  account_id uuid not null,
  -- The window that the provider was asked about; null where it has no list and single charges were asked about.
  since timestamptz,
  until timestamptz,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  -- Movements and states it told, how many of them we had not heard of, and how many are of no charge of ours.
  told bigint not null default 0,
  missed bigint not null default 0,
  unmatched bigint not null default 0,
  error text,
  constraint reconciliation_pkey primary key (tenant_id, reconciliation_id),
  constraint reconciliation_account_fkey foreign key (tenant_id, account_id)
    references payment_account (tenant_id, account_id) on delete cascade
);
create index reconciliation_of_account on reconciliation (tenant_id, account_id, started_at desc);

select wall_in('refund'), let_owner_pass('refund'), wall_in('reconciliation');
revoke delete on refund, reconciliation from balcao_app;

create function payment_issue_due(p_limit integer) returns table (tenant_id uuid, payment_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select p.tenant_id, p.payment_id from payment p
  where p.issue_due_at <= clock_timestamp() order by p.issue_due_at limit p_limit
$$;

create function payment_check_due(p_limit integer) returns table (tenant_id uuid, payment_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select p.tenant_id, p.payment_id from payment p
  where p.check_due_at <= clock_timestamp() order by p.check_due_at limit p_limit
$$;

create function refund_due(p_limit integer) returns table (tenant_id uuid, refund_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select r.tenant_id, r.refund_id from refund r
  where r.state in ('requested', 'sent') and r.due_at <= clock_timestamp() order by r.due_at limit p_limit
$$;

create function payment_account_due(p_limit integer) returns table (tenant_id uuid, account_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select a.tenant_id, a.account_id from payment_account a
  where a.reconcile_due_at <= clock_timestamp() order by a.reconcile_due_at limit p_limit
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
  elsif d.kind = 'webhook' then
    update webhook_delivery
    set state = 'waiting', attempts = 0, due_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant_id = p_tenant and delivery_id = (d.evidence ->> 'delivery_id')::uuid and state = 'dead';
    -- Its event was let go, or its endpoint is told no more.
    if not found then
      return 'gone';
    end if;
  elsif d.kind = 'payment' then
    update payment_event
    set state = 'waiting', attempts = 0, due_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant_id = p_tenant and payment_event_id = (d.evidence ->> 'payment_event_id')::uuid and state = 'dead';
    if not found then
      return 'gone';
    end if;
  elsif d.kind = 'charge' then
    update payment set issue_due_at = clock_timestamp(), issue_attempts = 0, updated_at = clock_timestamp()
    where tenant_id = p_tenant and payment_id = (d.evidence ->> 'payment_id')::uuid and issue_due_at is null
      and provider_id is null;
    if not found then
      return 'gone';
    end if;
  elsif d.kind = 'refund' then
    update refund
    set state = 'requested', attempts = 0, due_at = clock_timestamp(), updated_at = clock_timestamp()
    where tenant_id = p_tenant and refund_id = (d.evidence ->> 'refund_id')::uuid and state = 'failed';
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

revoke execute on function payment_issue_due(integer), payment_check_due(integer), refund_due(integer),
  payment_account_due(integer) from public;
grant execute on function payment_issue_due(integer), payment_check_due(integer), refund_due(integer),
  payment_account_due(integer), dead_letter_replay(uuid, uuid) to balcao_app;
