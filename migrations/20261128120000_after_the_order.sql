-- What becomes of an order after it was placed: sent, handed over, called off, sent elsewhere, brought back.
--
-- Why so:
-- * An order that is called off after it was paid stays paid until its money is back, for that is what it is; that it is
--   not to be sent any more is a time of its own.
-- * A return is a request of the customer's and a decision of the shop's: a row that goes from one state to the next.
--   There is one open request for an order at a time, so that the same wish said twice is one.
-- * Goods that come back are counted by a movement like every other; no more comes back than was sold.
--
-- The code that runs before this migration neither ships nor takes back; the new columns are null for its rows.

alter table sales_order
  add column called_off_at timestamptz,
  add column shipped_at timestamptz,
  add column delivered_at timestamptz,
  -- The carrier's number, as the customer is told it.
  add column tracking text;

create table order_return (
  tenant_id uuid not null,
  return_id uuid not null,
  order_id uuid not null,
  kind text not null,
  -- In the customer's words.
  reason text not null,
  state text not null default 'asked',
  -- Why the shop decided so.
  note text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint order_return_pkey primary key (tenant_id, return_id),
  constraint order_return_order_fkey foreign key (tenant_id, order_id)
    references sales_order (tenant_id, order_id) on delete cascade,
  constraint order_return_kind_known check (kind in ('return', 'exchange')),
  constraint order_return_state_known check (state in ('asked', 'approved', 'received', 'refused'))
);
create unique index order_return_one_open on order_return (tenant_id, order_id) where state in ('asked', 'approved');
create index order_return_of_order on order_return (tenant_id, order_id, created_at desc);
select wall_in('order_return');
revoke delete on order_return from balcao_app;

-- Puts goods of an order back on the shelf. Returns false, and touches nothing, where more would come back of a variant
-- than was sold and is not back yet.
create function order_take_back(p_tenant uuid, p_order uuid, p_variants uuid[], p_quantities bigint[]) returns boolean
language plpgsql as $$
declare
  v_line record;
begin
  perform pg_advisory_xact_lock(lock_key(p_tenant, 'variant:' || wanted.id::text))
  from (select distinct q.id from unnest(p_variants) as q (id) order by q.id) wanted;
  if exists (
    select from (select q.id, sum(q.quantity) as quantity
                 from unnest(p_variants, p_quantities) as q (id, quantity) group by q.id) w
    where w.quantity < 1 or w.quantity >
      (select coalesce(sum(l.quantity), 0) from order_line l
       where l.tenant_id = p_tenant and l.order_id = p_order and l.variant_id = w.id
         and exists (select from stock_movement m
                     where m.tenant_id = p_tenant and m.order_id = p_order and m.variant_id = w.id and m.kind = 'sell'))
      - (select coalesce(sum(m.on_hand_change), 0) from stock_movement m
         where m.tenant_id = p_tenant and m.order_id = p_order and m.variant_id = w.id and m.kind = 'return')
  ) then
    return false;
  end if;
  for v_line in
    select q.id, sum(q.quantity)::bigint as quantity from unnest(p_variants, p_quantities) as q (id, quantity)
    group by q.id order by q.id
  loop
    insert into stock_movement (tenant_id, movement_id, variant_id, order_id, kind, on_hand_change, reserved_change)
    select p_tenant, new_id(), v.variant_id, p_order, 'return', v_line.quantity, 0
    from variant v where v.tenant_id = p_tenant and v.variant_id = v_line.id and v.on_hand is not null;
    update variant set on_hand = on_hand + v_line.quantity, updated_at = now()
    where tenant_id = p_tenant and variant_id = v_line.id and on_hand is not null;
  end loop;
  return true;
end
$$;
grant execute on function order_take_back(uuid, uuid, uuid[], bigint[]) to balcao_app;
