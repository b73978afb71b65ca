-- What a shop sells, what was ordered, and the money of it: products with their variants and stock, orders, payments
-- with the facts known of them, and the books.
--
-- Why so:
-- * Stock is two numbers, counted and promised (`on_hand`, `reserved`), and every change of either is a movement:
--   the numbers are the sums of their movements, which `invariant_breaches` checks.
-- * An order is placed by one function under advisory locks on its variants in the order of their ids, so that two
--   orders over the same variants wait for each other instead of meeting in a deadlock. The intent (what the
--   conversation confirmed) is unique: the same confirmation twice is one order.
-- * What must hold between rows of one commit (lines and their order, lines and their ledger entry) is checked by
--   deferred constraint triggers, whatever code wrote them.
-- * A payment's columns are what its facts make of it, kept beside them so that lists need no replay; facts and books
--   are only ever added to.
--
-- The code that runs before this migration knows none of these tables.

create table product (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  product_id uuid not null,
  -- Where it comes from, and its id there.
  source text not null,
  external_id text not null,
  title text not null,
  brand text,
  description text not null default '',
  -- Outermost first.
  category text[] not null default '{}',
  attributes jsonb not null default '{}',
  media jsonb not null default '[]',
  url text,
  -- SHA-256 of what the source says, so that the same again changes nothing.
  content_hash bytea not null,
  -- The source still has it.
  listed boolean not null default true,
  words tsvector not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint product_pkey primary key (tenant_id, product_id),
  constraint product_external_unique unique (tenant_id, source, external_id)
);
create index product_words_search on product using gin (tenant_id, words) where listed;

create table variant (
  tenant_id uuid not null,
  variant_id uuid not null,
  product_id uuid not null,
  external_id text not null,
  sku text,
  gtin text,
  -- What tells it from its sisters: "azul / M". Empty where the product has one variant.
  title text not null default '',
  options jsonb not null default '{}',
  -- Null: no price is known, so it cannot be ordered.
  price_minor bigint,
  currency text not null,
  -- What the source lets be sold.
  sellable boolean not null,
  -- Null: not counted, sold without limit.
  on_hand bigint,
  reserved bigint not null default 0,
  updated_at timestamptz not null default now(),
  constraint variant_pkey primary key (tenant_id, variant_id),
  constraint variant_external_unique unique (tenant_id, product_id, external_id),
  constraint variant_product_fkey foreign key (tenant_id, product_id)
    references product (tenant_id, product_id) on delete cascade,
  constraint variant_price_not_negative check (price_minor >= 0),
  constraint variant_stock_not_oversold check (reserved >= 0 and on_hand >= reserved)
);

create table sales_order (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  order_id uuid not null,
  -- What a person calls it: "K7Q2-M9XD".
  code text not null,
  -- What was confirmed, once: the conversation and the version of the summary that was shown.
  intent text not null,
  customer_id uuid,
  conversation_id uuid,
  status text not null,
  currency text not null,
  items_minor bigint not null,
  delivery_minor bigint not null,
  discount_minor bigint not null,
  total_minor bigint not null,
  -- How it is delivered: {"kind": "pickup"} or {"kind": "address", ...}.
  delivery jsonb not null,
  -- Until when its stock is held for it while nothing is paid.
  expires_at timestamptz,
  -- Why a person must look at it.
  attention text,
  placed_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint sales_order_pkey primary key (tenant_id, order_id),
  constraint sales_order_intent_unique unique (tenant_id, intent),
  constraint sales_order_code_unique unique (tenant_id, code),
  -- The books outlive the person: what was sold stays, who bought it does not.
  constraint sales_order_customer_fkey foreign key (tenant_id, customer_id)
    references customer (tenant_id, customer_id) on delete set null (customer_id),
  constraint sales_order_conversation_fkey foreign key (tenant_id, conversation_id)
    references conversation (tenant_id, conversation_id) on delete set null (conversation_id),
  constraint sales_order_status_known check (status in
    ('awaiting_payment', 'paid', 'shipped', 'delivered', 'canceled', 'expired', 'refunded')),
  constraint sales_order_total_adds_up check
    (total_minor = items_minor + delivery_minor - discount_minor and total_minor >= 0
     and items_minor >= 0 and delivery_minor >= 0 and discount_minor >= 0)
);
create index sales_order_of_customer on sales_order (tenant_id, customer_id, placed_at desc);
create index sales_order_of_conversation on sales_order (tenant_id, conversation_id, placed_at desc);
-- Across shops, soonest first: what order_expire_due reads.
create index sales_order_due_route on sales_order (expires_at) where status = 'awaiting_payment';

create table order_line (
  tenant_id uuid not null,
  order_id uuid not null,
  line_no integer not null,
  -- The variant may leave the catalogue; what was sold stays here.
  variant_id uuid not null,
  title text not null,
  sku text,
  quantity bigint not null,
  unit_minor bigint not null,
  total_minor bigint not null,
  constraint order_line_pkey primary key (tenant_id, order_id, line_no),
  constraint order_line_order_fkey foreign key (tenant_id, order_id)
    references sales_order (tenant_id, order_id) on delete cascade,
  constraint order_line_quantity_positive check (quantity > 0),
  constraint order_line_total_adds_up check (unit_minor >= 0 and total_minor = quantity * unit_minor)
);

-- The sale that an order is, and who earns how much of it: computed once, when the order is placed.
create table commission (
  tenant_id uuid not null,
  order_id uuid not null,
  beneficiary text not null,
  minor bigint not null,
  constraint commission_pkey primary key (tenant_id, order_id, beneficiary),
  constraint commission_order_fkey foreign key (tenant_id, order_id)
    references sales_order (tenant_id, order_id) on delete cascade,
  constraint commission_not_negative check (minor >= 0)
);

create table stock_movement (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  movement_id uuid not null,
  variant_id uuid not null,
  order_id uuid,
  kind text not null,
  on_hand_change bigint not null,
  reserved_change bigint not null,
  at timestamptz not null default now(),
  constraint stock_movement_pkey primary key (tenant_id, movement_id),
  constraint stock_movement_kind_known check (kind in ('count', 'reserve', 'release', 'sell', 'return'))
);
create index stock_movement_of_variant on stock_movement (tenant_id, variant_id);
-- An order reserves, releases and sells a variant once.
create unique index stock_movement_once on stock_movement (tenant_id, order_id, variant_id, kind)
  where order_id is not null and kind in ('release', 'sell');

create table payment (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  payment_id uuid not null,
  order_id uuid not null,
  provider text not null,
  -- `pix`, `card`, `boleto`.
  method text not null,
  -- The provider's id of the charge; of PIX, the txid.
  reference text not null,
  currency text not null,
  expected_minor bigint not null,
  -- Commission terms of the moment it was made.
  terms jsonb not null,
  -- What the customer is shown: {"br_code": "000201…"}.
  instructions jsonb not null default '{}',
  state text not null,
  captured_minor bigint not null default 0,
  refunded_minor bigint not null default 0,
  lost_minor bigint not null default 0,
  excess_minor bigint not null default 0,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint payment_pkey primary key (tenant_id, payment_id),
  constraint payment_reference_unique unique (tenant_id, provider, reference),
  constraint payment_order_fkey foreign key (tenant_id, order_id)
    references sales_order (tenant_id, order_id) on delete cascade,
  constraint payment_amounts_not_negative check
    (expected_minor >= 0 and captured_minor >= 0 and refunded_minor >= 0 and lost_minor >= 0
     and excess_minor >= 0)
);
create index payment_of_order on payment (tenant_id, order_id);

create table payment_fact (
  tenant_id uuid not null,
  payment_id uuid not null,
  -- In the order they were learned.
  seq integer not null,
  -- Who reports it does not matter: the bank's own id of the movement.
  key text not null,
  kind jsonb not null,
  -- What it was read from, for whoever asks later.
  evidence jsonb not null,
  at timestamptz not null default now(),
  constraint payment_fact_pkey primary key (tenant_id, payment_id, seq),
  constraint payment_fact_key_unique unique (tenant_id, key),
  constraint payment_fact_payment_fkey foreign key (tenant_id, payment_id)
    references payment (tenant_id, payment_id) on delete cascade
);

create table ledger_entry (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  entry_id uuid not null,
  -- The fact it books and which side of it: "pix:E123…:fee".
  reference text not null,
  payment_id uuid,
  currency text not null,
  at timestamptz not null default now(),
  constraint ledger_entry_pkey primary key (tenant_id, entry_id),
  constraint ledger_entry_reference_unique unique (tenant_id, reference)
);
create index ledger_entry_of_payment on ledger_entry (tenant_id, payment_id);

create table ledger_line (
  tenant_id uuid not null,
  entry_id uuid not null,
  line_no integer not null,
  account text not null,
  -- Debit positive, credit negative.
  minor bigint not null,
  constraint ledger_line_pkey primary key (tenant_id, entry_id, line_no),
  constraint ledger_line_entry_fkey foreign key (tenant_id, entry_id)
    references ledger_entry (tenant_id, entry_id) on delete cascade,
  constraint ledger_line_moves_something check (minor <> 0)
);

select wall_in('product'), wall_in('variant'), wall_in('order_line'), wall_in('commission'),
       wall_in('stock_movement'), wall_in('payment'), wall_in('payment_fact'), wall_in('ledger_entry'),
       wall_in('ledger_line'), wall_in('sales_order'), let_owner_pass('sales_order');
-- What was sold and booked is corrected by new rows.
revoke delete on sales_order, payment, commission from balcao_app;
revoke update, delete on order_line, stock_movement, payment_fact, ledger_entry, ledger_line from balcao_app;

create function check_order_lines() returns trigger
language plpgsql as $$
declare
  v_items bigint;
  v_sum numeric;
begin
  select o.items_minor, (select coalesce(sum(l.total_minor), 0) from order_line l
                         where l.tenant_id = o.tenant_id and l.order_id = o.order_id)
  into v_items, v_sum
  from sales_order o where o.tenant_id = new.tenant_id and o.order_id = new.order_id;
  -- Gone with its shop in the same transaction.
  if found and v_sum <> v_items then
    raise exception 'order % has lines of % and items of %', new.order_id, v_sum, v_items
      using errcode = 'integrity_constraint_violation', constraint = 'sales_order_lines_add_up';
  end if;
  return null;
end
$$;
create constraint trigger sales_order_lines_add_up after insert or update of items_minor on sales_order
  deferrable initially deferred for each row execute function check_order_lines();
create constraint trigger order_line_adds_up after insert on order_line
  deferrable initially deferred for each row when (new.line_no > 1) execute function check_order_lines();

create function check_ledger_balance() returns trigger
language plpgsql as $$
declare
  v_sum numeric;
  v_lines bigint;
begin
  select sum(minor), count(*) into v_sum, v_lines
  from ledger_line where tenant_id = new.tenant_id and entry_id = new.entry_id;
  if v_lines < 2 or v_sum <> 0 then
    raise exception 'ledger entry % does not balance: % lines, sum %', new.entry_id, v_lines, v_sum
      using errcode = 'integrity_constraint_violation', constraint = 'ledger_entry_balances';
  end if;
  return null;
end
$$;
create constraint trigger ledger_entry_balances after insert on ledger_entry
  deferrable initially deferred for each row execute function check_ledger_balance();
create constraint trigger ledger_line_balances after insert on ledger_line
  deferrable initially deferred for each row execute function check_ledger_balance();

-- The lexemes of a question in both languages, any of which a product may have. Null when nothing is left of it.
create function product_query(p_question text) returns tsquery
language sql stable as $$
  select string_agg('''' || replace(replace(q.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
  from (select l.lexeme from question_lexemes('pt', p_question) l
        union select l.lexeme from question_lexemes('en', p_question) l) q
$$;

-- Takes in products as their source has them, many at once. What is the same changes nothing; variants that are gone
-- are kept and no longer sold. A source that counts fewer pieces than are promised is believed down to the promises:
-- `short` says how many variants that is.
create function product_put(p_tenant uuid, p_products jsonb)
returns table (added bigint, changed bigint, unchanged bigint, short bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  v_added bigint;
  v_changed bigint;
  v_short bigint;
begin
  with incoming as (
    select * from jsonb_to_recordset(p_products) as i (
      product_id uuid, source text, external_id text, title text, brand text, description text, category text[],
      attributes jsonb, media jsonb, url text, content_hash text, language text)
  ), written as (
    insert into product as p (tenant_id, product_id, source, external_id, title, brand, description, category, attributes,
                              media, url, content_hash, words)
    select p_tenant, i.product_id, i.source, i.external_id, i.title, i.brand, i.description, i.category, i.attributes,
           i.media, i.url, decode(i.content_hash, 'hex'),
           passage_words(i.language, concat_ws(' ', i.title, i.brand), i.category,
                         concat_ws(' ', i.description, (select string_agg(a.value, ' ') from jsonb_each_text(i.attributes) a)))
    from incoming i
    order by i.source, i.external_id
    on conflict (tenant_id, source, external_id) do update
    set title = excluded.title, brand = excluded.brand, description = excluded.description,
        category = excluded.category, attributes = excluded.attributes, media = excluded.media, url = excluded.url,
        content_hash = excluded.content_hash, words = excluded.words, listed = true, updated_at = now()
    where p.content_hash <> excluded.content_hash or not p.listed
    returning (xmax = 0) as is_new
  )
  select count(*) filter (where is_new), count(*) filter (where not is_new) into v_added, v_changed from written;

  with incoming as materialized (
    select p.product_id, v.*
    from jsonb_array_elements(p_products) as i (item)
    join product p on p.tenant_id = p_tenant and p.source = i.item ->> 'source' and p.external_id = i.item ->> 'external_id'
    cross join lateral jsonb_to_recordset(i.item -> 'variants') as v (
      variant_id uuid, external_id text, sku text, gtin text, title text, options jsonb, price_minor bigint,
      currency text, sellable boolean, on_hand bigint)
  ), old as materialized (
    select v.* from variant v join incoming i on i.product_id = v.product_id and i.external_id = v.external_id
    where v.tenant_id = p_tenant
    order by v.variant_id
    for update of v
  ), now_ as materialized (
    select coalesce(o.variant_id, i.variant_id) as variant_id, i.product_id, i.external_id, i.sku, i.gtin, i.title, i.options,
           i.price_minor, i.currency, i.sellable,
           greatest(i.on_hand, coalesce(o.reserved, 0)) as on_hand, i.on_hand < o.reserved as is_short,
           -- While it was not counted its movements went on.
           coalesce(o.on_hand, (select sum(m.on_hand_change) from stock_movement m
                                where m.tenant_id = p_tenant and m.variant_id = o.variant_id), 0)::bigint as was
    from incoming i
    left join old o on o.product_id = i.product_id and o.external_id = i.external_id
  ), written as (
    insert into variant as v (tenant_id, variant_id, product_id, external_id, sku, gtin, title, options, price_minor,
                              currency, sellable, on_hand)
    select p_tenant, n.variant_id, n.product_id, n.external_id, n.sku, n.gtin, n.title, n.options, n.price_minor,
           n.currency, n.sellable, case when n.on_hand is null or n.on_hand < 0 then null else n.on_hand end
    from now_ n
    order by n.variant_id
    on conflict (tenant_id, product_id, external_id) do update
    set sku = excluded.sku, gtin = excluded.gtin, title = excluded.title, options = excluded.options,
        price_minor = excluded.price_minor, currency = excluded.currency, sellable = excluded.sellable,
        on_hand = excluded.on_hand, updated_at = now()
    where (v.sku, v.gtin, v.title, v.options, v.price_minor, v.currency, v.sellable, v.on_hand)
          is distinct from (excluded.sku, excluded.gtin, excluded.title, excluded.options, excluded.price_minor,
                            excluded.currency, excluded.sellable, excluded.on_hand)
  ), moved as (
    insert into stock_movement (tenant_id, movement_id, variant_id, kind, on_hand_change, reserved_change)
    select p_tenant, new_id(), n.variant_id, 'count', n.on_hand - n.was, 0
    from now_ n where n.on_hand <> n.was
  ), gone as (
    update variant v set sellable = false, updated_at = now()
    where v.tenant_id = p_tenant and v.sellable
      and v.product_id in (select i.product_id from incoming i)
      and not exists (select from incoming i where i.product_id = v.product_id and i.external_id = v.external_id)
  )
  select count(*) filter (where n.is_short) into v_short from now_ n;
  return query select v_added, v_changed, jsonb_array_length(p_products) - v_added - v_changed, v_short;
end
$$;

-- Places an order or says why not; either everything is written or nothing.
--
-- `placed`, `known` (this intent has its order already), `refused` with a row for each variant that cannot be had as
-- it was confirmed: `gone`, `price` (with today's) or `stock` (with what is left).
create function order_place(
  p_tenant uuid, p_order uuid, p_code text, p_intent text, p_customer uuid, p_conversation uuid, p_currency text,
  p_delivery_minor bigint, p_discount_minor bigint, p_delivery jsonb, p_hold_ms bigint,
  p_variants uuid[], p_quantities bigint[], p_units bigint[], p_beneficiaries text[], p_parts bigint[]
) returns table (outcome text, order_id uuid, variant_id uuid, price_minor bigint, available bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  v_known uuid;
  v_items bigint;
begin
  select o.order_id into v_known from sales_order o where o.tenant_id = p_tenant and o.intent = p_intent;
  if found then
    return query select 'known', v_known, null::uuid, null::bigint, null::bigint;
    return;
  end if;
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'variant:' || wanted.id::text))
  from (select distinct w.id from unnest(p_variants) as w (id) order by w.id) wanted;
  -- Whoever placed the same intent meanwhile held the same locks.
  select o.order_id into v_known from sales_order o where o.tenant_id = p_tenant and o.intent = p_intent;
  if found then
    return query select 'known', v_known, null::uuid, null::bigint, null::bigint;
    return;
  end if;

  return query
    select case when v.variant_id is null or not v.sellable or not p.listed or v.price_minor is null
                     or v.currency <> p_currency then 'gone'
                when v.price_minor <> w.unit then 'price'
                else 'stock' end,
           null::uuid, w.id, v.price_minor, v.on_hand - v.reserved
    from (select q.id, sum(q.quantity)::bigint as quantity, max(q.unit) as unit, min(q.unit) as least
          from unnest(p_variants, p_quantities, p_units) as q (id, quantity, unit) group by q.id) w
    left join variant v on v.tenant_id = p_tenant and v.variant_id = w.id
    left join product p on p.tenant_id = v.tenant_id and p.product_id = v.product_id
    where v.variant_id is null or not v.sellable or not p.listed or v.price_minor is null or v.currency <> p_currency
       or v.price_minor <> w.unit or w.unit <> w.least or v.on_hand - v.reserved < w.quantity
    order by w.id;
  if found then
    return;
  end if;

  select sum(q.quantity * q.unit) into v_items from unnest(p_quantities, p_units) as q (quantity, unit);
  insert into sales_order (tenant_id, order_id, code, intent, customer_id, conversation_id, status, currency, items_minor,
                           delivery_minor, discount_minor, total_minor, delivery, expires_at)
  values (p_tenant, p_order, p_code, p_intent, p_customer, p_conversation, 'awaiting_payment', p_currency, v_items,
          p_delivery_minor, p_discount_minor, v_items + p_delivery_minor - p_discount_minor, p_delivery,
          now() + make_interval(secs => p_hold_ms / 1000.0));
  insert into order_line (tenant_id, order_id, line_no, variant_id, title, sku, quantity, unit_minor, total_minor)
  select p_tenant, p_order, q.line, q.id, concat_ws(' — ', p.title, nullif(v.title, '')), v.sku, q.quantity, q.unit,
         q.quantity * q.unit
  from unnest(p_variants, p_quantities, p_units) with ordinality as q (id, quantity, unit, line)
  join variant v on v.tenant_id = p_tenant and v.variant_id = q.id
  join product p on p.tenant_id = v.tenant_id and p.product_id = v.product_id;
  -- The locks keep other orders away; a count of the source that comes between is caught by the constraint.
  update variant v set reserved = v.reserved + w.quantity, updated_at = now()
  from (select q.id, sum(q.quantity)::bigint as quantity
        from unnest(p_variants, p_quantities) as q (id, quantity) group by q.id order by q.id) w
  where v.tenant_id = p_tenant and v.variant_id = w.id;
  insert into stock_movement (tenant_id, movement_id, variant_id, order_id, kind, on_hand_change, reserved_change)
  select p_tenant, new_id(), q.id, p_order, 'reserve', 0, sum(q.quantity)
  from unnest(p_variants, p_quantities) as q (id, quantity) group by q.id;
  insert into commission (tenant_id, order_id, beneficiary, minor)
  select p_tenant, p_order, c.beneficiary, c.minor from unnest(p_beneficiaries, p_parts) as c (beneficiary, minor);
  perform event_push(p_tenant, 'order.created', p_conversation,
                     jsonb_build_object('order_id', p_order, 'code', p_code));
  return query select 'placed', p_order, null::uuid, null::bigint, null::bigint;
end
$$;

-- What an order asks for of each variant, and what it holds of it now.
create function order_holding(p_tenant uuid, p_order uuid) returns table (variant_id uuid, quantity bigint, held bigint)
language sql stable as $$
  select l.variant_id, sum(l.quantity)::bigint,
         (select coalesce(sum(m.reserved_change), 0)::bigint from stock_movement m
          where m.tenant_id = p_tenant and m.variant_id = l.variant_id and m.order_id = p_order)
  from order_line l where l.tenant_id = p_tenant and l.order_id = p_order
  group by l.variant_id
$$;

-- Gives back what an order holds and has not sold. Returns whether it held anything.
create function order_release(p_tenant uuid, p_order uuid) returns boolean
language plpgsql as $$
declare
  v_held boolean := false;
  v_line record;
begin
  -- One row at a time in the order of their ids, as order_place takes them.
  for v_line in
    select h.variant_id, h.held from order_holding(p_tenant, p_order) h where h.held > 0 order by h.variant_id
  loop
    update variant set reserved = reserved - v_line.held, updated_at = now()
    where tenant_id = p_tenant and variant_id = v_line.variant_id;
    insert into stock_movement (tenant_id, movement_id, variant_id, order_id, kind, on_hand_change, reserved_change)
    values (p_tenant, new_id(), v_line.variant_id, p_order, 'release', 0, -v_line.held);
    v_held := true;
  end loop;
  return v_held;
end
$$;

-- What an order holds becomes sold. What it gave back before (it had expired) is taken again where there is enough;
-- returns false where there is not, and then touches nothing.
create function order_sell(p_tenant uuid, p_order uuid) returns boolean
language plpgsql as $$
declare
  v_short boolean;
  v_line record;
begin
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'variant:' || wanted.variant_id::text))
  from (select distinct l.variant_id from order_line l
        where l.tenant_id = p_tenant and l.order_id = p_order order by l.variant_id) wanted;
  select bool_or(v.variant_id is null or v.on_hand - v.reserved < w.quantity - w.held) into v_short
  from order_holding(p_tenant, p_order) w
  left join variant v on v.tenant_id = p_tenant and v.variant_id = w.variant_id
  where w.held < w.quantity;
  if v_short then
    return false;
  end if;
  for v_line in select w.variant_id, w.quantity, w.held from order_holding(p_tenant, p_order) w order by w.variant_id loop
    insert into stock_movement (tenant_id, movement_id, variant_id, order_id, kind, on_hand_change, reserved_change)
    select p_tenant, new_id(), v.variant_id, p_order, 'sell',
           case when v.on_hand is null then 0 else -v_line.quantity end, -v_line.held
    from variant v where v.tenant_id = p_tenant and v.variant_id = v_line.variant_id;
    update variant
    set on_hand = on_hand - v_line.quantity, reserved = reserved - v_line.held, updated_at = now()
    where tenant_id = p_tenant and variant_id = v_line.variant_id;
  end loop;
  return true;
end
$$;

-- Orders whose time is over, soonest first: what the sweep looks up across shops before it enters each of them.
create function order_expire_due(p_limit integer) returns table (tenant_id uuid, order_id uuid)
language sql stable security definer set search_path = public, pg_temp as $$
  select o.tenant_id, o.order_id from sales_order o
  where o.status = 'awaiting_payment' and o.expires_at <= now()
  order by o.expires_at limit p_limit
$$;

-- What does not add up in a shop's books and stock: a row for each, nothing when all is well.
create function invariant_breaches(p_tenant uuid) returns table (invariant text, subject text, detail text)
language sql stable as $$
  select 'stock is the sum of its movements', v.variant_id::text,
         format('on hand %s, movements %s; reserved %s, movements %s', v.on_hand, m.on_hand, v.reserved, m.reserved)
  from variant v
  cross join lateral (
    select coalesce(sum(s.on_hand_change), 0) as on_hand, coalesce(sum(s.reserved_change), 0) as reserved
    from stock_movement s where s.tenant_id = v.tenant_id and s.variant_id = v.variant_id) m
  where v.tenant_id = p_tenant and (v.on_hand <> m.on_hand or v.reserved <> m.reserved)
  union all
  select 'an order is the sum of its lines', o.order_id::text, format('items %s, lines %s', o.items_minor, l.total)
  from sales_order o
  cross join lateral (
    select coalesce(sum(i.total_minor), 0) as total from order_line i
    where i.tenant_id = o.tenant_id and i.order_id = o.order_id) l
  where o.tenant_id = p_tenant and l.total <> o.items_minor
  union all
  select 'what an order waits for is reserved', o.order_id::text,
         format('%s of variant %s ordered, %s reserved', h.quantity, h.variant_id, h.held)
  from sales_order o
  cross join lateral order_holding(o.tenant_id, o.order_id) h
  where o.tenant_id = p_tenant
    and h.held <> case when o.status = 'awaiting_payment' then h.quantity else 0 end
  union all
  select 'a ledger entry balances', e.reference, format('%s lines, sum %s', l.lines, l.total)
  from ledger_entry e
  cross join lateral (
    select count(*) as lines, coalesce(sum(i.minor), 0) as total from ledger_line i
    where i.tenant_id = e.tenant_id and i.entry_id = e.entry_id) l
  where e.tenant_id = p_tenant and (l.lines < 2 or l.total <> 0)
  union all
  select 'captured minus refunded is what the ledger says', p.payment_id::text,
         format('captured %s, refunded %s, ledger %s', p.captured_minor, p.refunded_minor, b.total)
  from payment p
  cross join lateral (
    select coalesce(sum(i.minor), 0) as total
    from ledger_entry e join ledger_line i on i.tenant_id = e.tenant_id and i.entry_id = e.entry_id
    where e.tenant_id = p.tenant_id and e.payment_id = p.payment_id
      and i.account in ('psp_clearing', 'disputes_hold')
      -- Fees leave the provider's account without leaving the sale.
      and e.reference not like '%:fee') b
  where p.tenant_id = p_tenant and p.captured_minor - p.refunded_minor <> b.total + p.lost_minor
  union all
  select 'the commission booked is the commission of the order', o.order_id::text,
         format('%s of the order %s, booked %s', c.beneficiary, c.minor, b.total)
  from sales_order o
  join commission c on c.tenant_id = o.tenant_id and c.order_id = o.order_id
  join payment p on p.tenant_id = o.tenant_id and p.order_id = o.order_id
  cross join lateral (
    select sum(-i.minor) as total
    from ledger_entry e join ledger_line i on i.tenant_id = e.tenant_id and i.entry_id = e.entry_id
    where e.tenant_id = p.tenant_id and e.payment_id = p.payment_id and e.reference like '%:commission'
      and i.account = 'commission:' || c.beneficiary) b
  where o.tenant_id = p_tenant and b.total is not null and b.total <> c.minor
$$;

revoke execute on function order_expire_due(integer) from public;
grant execute on function
  product_put(uuid, jsonb), product_query(text),
  order_place(uuid, uuid, text, text, uuid, uuid, text, bigint, bigint, jsonb, bigint, uuid[], bigint[], bigint[], text[], bigint[]),
  order_holding(uuid, uuid), order_release(uuid, uuid), order_sell(uuid, uuid), order_expire_due(integer),
  invariant_breaches(uuid)
  to balcao_app;
