-- A price may change between the moment it is read and the moment its message leaves: a message waits for its pace, for a
-- breaker, for a number that is paused. What a turn said about prices and stock is in its evidence; a message that was put
-- in its place carries its own.

alter table outbox add column facts jsonb;

-- (Ids in JSON are written with their prefix: `var_…`.)
-- What a message says that is no longer so: of each variant its title, its price now (null: none), and whether it can be
-- had. Nothing where all holds, or the message says nothing of that kind.
create function outbox_stale(p_tenant uuid, p_outbox uuid)
returns table (variant_id uuid, title text, said_minor bigint, price_minor bigint, currency text, there boolean)
language sql stable as $$
  select right(f.fact ->> 'variant_id', 32)::uuid, f.fact ->> 'title', (f.fact ->> 'minor')::bigint, v.price_minor, f.fact ->> 'currency',
         coalesce(v.sellable and p.listed and (v.on_hand is null or v.on_hand > v.reserved), false)
  from outbox o
  left join turn t on t.tenant_id = o.tenant_id and t.turn_id = o.turn_id
  cross join lateral jsonb_array_elements(coalesce(o.facts, t.outcome #> '{evidence,facts}', '[]'::jsonb)) as f (fact)
  left join variant v on v.tenant_id = o.tenant_id and v.variant_id = right(f.fact ->> 'variant_id', 32)::uuid
  left join product p on p.tenant_id = v.tenant_id and p.product_id = v.product_id
  where o.tenant_id = p_tenant and o.outbox_id = p_outbox
    and (v.price_minor is distinct from (f.fact ->> 'minor')::bigint
         or (f.fact ->> 'there')::boolean
            and not coalesce(v.sellable and p.listed and (v.on_hand is null or v.on_hand > v.reserved), false))
$$;
grant execute on function outbox_stale(uuid, uuid) to balcao_app;
