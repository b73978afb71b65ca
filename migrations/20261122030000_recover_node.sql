-- What a node left behind when it died, given back when it starts again under the same name: leases of conversations,
-- and messages whose sending nobody recorded. Without this they wait for their leases to end, which only costs time.
--
-- All shops at once, hence a definer function. The caller makes sure that no other process lives under that name.

create function node_recover(p_node text, p_grace_ms bigint) returns table (conversations bigint, sends bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_conversations bigint;
  v_sends bigint;
begin
  -- The next claim raises the epoch: whatever of the dead node is still on its way is fenced.
  update conversation_cursor c set lease_until = clock_timestamp()
  where c.owner = p_node and c.lease_until > clock_timestamp();
  get diagnostics v_conversations = row_count;

  update outbox o
  set unknown_since = clock_timestamp(), due_at = clock_timestamp() + p_grace_ms * interval '1 millisecond',
      error_detail = 'the sender stopped before it recorded the outcome', updated_at = clock_timestamp()
  where o.state = 'sending' and o.node = p_node and o.unknown_since is null;
  get diagnostics v_sends = row_count;

  return query select v_conversations, v_sends;
end
$$;
revoke execute on function node_recover(text, bigint) from public;
grant execute on function node_recover(text, bigint) to balcao_app;
