-- Placing an order is a dozen small statements by key, whose best plan never changes: planning them anew for every order
-- took longer than carrying them out. And before a young shop's first statistics are gathered the planner would rather
-- read all of a shop's variants than look one up: joins are made in the order they are written in, by key.
do $$
declare
  v_order_place constant text := 'order_place(uuid, uuid, text, text, uuid, uuid, text, bigint, bigint, jsonb, bigint, '
                                 'uuid[], bigint[], bigint[], text[], bigint[])';
begin
  execute 'alter function ' || v_order_place || ' set plan_cache_mode = force_generic_plan';
  execute 'alter function ' || v_order_place || ' set join_collapse_limit = 1';
  execute 'alter function ' || v_order_place || ' set enable_hashjoin = off';
  execute 'alter function ' || v_order_place || ' set enable_mergejoin = off';
end
$$;
