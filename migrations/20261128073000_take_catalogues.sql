-- Whole catalogues are taken in: a product may be there without being offered, a variant may be sold before it is there,
-- and what a source no longer has leaves the shelf.
--
-- The code that runs before this migration puts products without the new fields, which are null then, and reads the
-- columns of the function by name.

alter table variant
  -- Sold though it is not there: 'preorder' (it will come), 'backorder' (it is made or fetched). Null: from stock.
  add column promise text,
  -- When it is sent at the earliest, and how many days that takes.
  add column available_on date,
  add column lead_days integer,
  -- Its place among its sisters, as the source has them: P, M, G.
  add column position integer not null default 0,
  add constraint variant_promise_known check (promise in ('preorder', 'backorder')),
  add constraint variant_lead_days_not_negative check (lead_days >= 0);

drop function product_put(uuid, jsonb);

-- Takes products in as their source has them now. What nobody counts is sold without limit (it was taken for none).
-- `variants`: how many variants say something else than before.
create function product_put(p_tenant uuid, p_products jsonb)
returns table (added bigint, changed bigint, unchanged bigint, variants bigint, short bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  v_added bigint;
  v_changed bigint;
  v_variants bigint;
  v_short bigint;
begin
  with incoming as (
    select * from jsonb_to_recordset(p_products) as i (
      product_id uuid, source text, external_id text, title text, brand text, description text, category text[],
      attributes jsonb, media jsonb, url text, content_hash text, language text,
      listed boolean, variants jsonb)
  ), written as (
    insert into product as p (tenant_id, product_id, source, external_id, title, brand, description, category, attributes,
                              media, url, content_hash, listed, words)
    select p_tenant, i.product_id, i.source, i.external_id, i.title, i.brand, i.description, i.category, i.attributes,
           i.media, i.url, decode(i.content_hash, 'hex'), coalesce(i.listed, true),
           passage_words(i.language, concat_ws(' ', i.title, i.brand), i.category,
                         concat_ws(' ', i.description, (select string_agg(a.value, ' ') from jsonb_each_text(i.attributes) a),
                                   (select string_agg(concat_ws(' ', v.item ->> 'title', v.item ->> 'sku'), ' ')
                                    from jsonb_array_elements(i.variants) v (item))))
    from incoming i
    order by i.source, i.external_id
    on conflict (tenant_id, source, external_id) do update
    set title = excluded.title, brand = excluded.brand, description = excluded.description,
        category = excluded.category, attributes = excluded.attributes, media = excluded.media, url = excluded.url,
        content_hash = excluded.content_hash, words = excluded.words, listed = excluded.listed, updated_at = now()
    where p.content_hash <> excluded.content_hash or p.listed <> excluded.listed
    returning (xmax = 0) as is_new
  )
  select count(*) filter (where is_new), count(*) filter (where not is_new) into v_added, v_changed from written;

  with incoming as materialized (
    select p.product_id, v.*
    from jsonb_array_elements(p_products) as i (item)
    join product p on p.tenant_id = p_tenant and p.source = i.item ->> 'source' and p.external_id = i.item ->> 'external_id'
    cross join lateral jsonb_to_recordset(i.item -> 'variants') as v (
      variant_id uuid, external_id text, sku text, gtin text, title text, options jsonb, price_minor bigint,
      currency text, sellable boolean, on_hand bigint, promise text, available_on date, lead_days integer,
      position integer)
  ), old as materialized (
    select v.* from variant v join incoming i on i.product_id = v.product_id and i.external_id = v.external_id
    where v.tenant_id = p_tenant
    order by v.variant_id
    for update of v
  ), now_ as materialized (
    select coalesce(o.variant_id, i.variant_id) as variant_id, i.product_id, i.external_id, i.sku, i.gtin, i.title, i.options,
           i.price_minor, i.currency, i.sellable, i.promise, i.available_on, i.lead_days,
           i.position,
           -- greatest() alone would count nothing for what nobody counts.
           case when i.on_hand is not null then greatest(i.on_hand, coalesce(o.reserved, 0)) end as on_hand, i.on_hand < o.reserved as is_short,
           -- While it was not counted its movements went on.
           coalesce(o.on_hand, (select sum(m.on_hand_change) from stock_movement m
                                where m.tenant_id = p_tenant and m.variant_id = o.variant_id), 0)::bigint as was
    from incoming i
    left join old o on o.product_id = i.product_id and o.external_id = i.external_id
  ), written as (
    insert into variant as v (tenant_id, variant_id, product_id, external_id, sku, gtin, title, options, price_minor,
                              currency, sellable, on_hand, promise, available_on, lead_days, position)
    select p_tenant, n.variant_id, n.product_id, n.external_id, n.sku, n.gtin, n.title, n.options, n.price_minor,
           n.currency, n.sellable, case when n.on_hand is null or n.on_hand < 0 then null else n.on_hand end,
           n.promise, n.available_on, n.lead_days, coalesce(n.position, 0)
    from now_ n
    order by n.variant_id
    on conflict (tenant_id, product_id, external_id) do update
    set sku = excluded.sku, gtin = excluded.gtin, title = excluded.title, options = excluded.options,
        price_minor = excluded.price_minor, currency = excluded.currency, sellable = excluded.sellable,
        on_hand = excluded.on_hand, promise = excluded.promise, available_on = excluded.available_on,
        lead_days = excluded.lead_days, position = excluded.position, updated_at = now()
    where (v.sku, v.gtin, v.title, v.options, v.price_minor, v.currency, v.sellable, v.on_hand, v.promise, v.available_on,
           v.lead_days, v.position)
          is distinct from (excluded.sku, excluded.gtin, excluded.title, excluded.options, excluded.price_minor,
                            excluded.currency, excluded.sellable, excluded.on_hand, excluded.promise,
                            excluded.available_on, excluded.lead_days, excluded.position)
    returning v.variant_id
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
  select count(*) filter (where n.is_short), (select count(*) from written) into v_short, v_variants from now_ n;
  return query select v_added, v_changed, jsonb_array_length(p_products) - v_added - v_changed, v_variants, v_short;
end
$$;

-- Takes off the shelf what a source no longer has: all of its products but those named. How many that were.
create function product_withdraw_others(p_tenant uuid, p_source text, p_external_ids text[])
returns bigint
language sql as $$
  with kept as materialized (
    select k.external_id from unnest(p_external_ids) as k (external_id)
  ), gone as (
    update product p set listed = false, updated_at = now()
    where p.tenant_id = p_tenant and p.source = p_source and p.listed
      and not exists (select from kept k where k.external_id = p.external_id)
    returning p.product_id
  )
  select count(*) from gone
$$;

revoke execute on function product_put(uuid, jsonb), product_withdraw_others(uuid, text, text[]) from public;
grant execute on function product_put(uuid, jsonb), product_withdraw_others(uuid, text, text[]) to balcao_app;
