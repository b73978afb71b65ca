//! Where the money of a conversation came from: from what was said to what was booked.

use balcao_domain::ConversationId;
use serde_json::Value;

use crate::{StoreError, TenantTx};

/// The orders of a conversation, oldest first, each as one value: `order` with its `lines` and `commission`; `confirmed`,
/// the turn that placed it with the customer's messages, the evidence it had and the tools it called; `payments`, each
/// with its facts and their bookings.
pub async fn of_conversation(tx: &mut TenantTx, id: ConversationId) -> Result<Vec<Value>, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let trail = sqlx::query_scalar!(
        r#"select jsonb_build_object(
             'order', jsonb_build_object(
               'order_id', 'ord_' || replace(o.order_id::text, '-', ''), 'code', o.code, 'status', o.status,
               'currency', o.currency, 'items_minor', o.items_minor, 'delivery_minor', o.delivery_minor,
               'discount_minor', o.discount_minor, 'total_minor', o.total_minor, 'placed_at', o.placed_at,
               'intent', o.intent,
               'lines', (select coalesce(jsonb_agg(to_jsonb(l) - 'tenant_id' - 'order_id' order by l.line_no), '[]')
                         from order_line l where l.tenant_id = o.tenant_id and l.order_id = o.order_id),
               'commission', (select coalesce(jsonb_object_agg(c.beneficiary, c.minor), '{}')
                              from commission c where c.tenant_id = o.tenant_id and c.order_id = o.order_id)),
             'confirmed', (
               select jsonb_build_object(
                 'turn_id', 'trn_' || replace(t.turn_id::text, '-', ''), 'path', t.path, 'reason', t.reason,
                 'at', t.committed_at,
                 'messages', (select coalesce(jsonb_agg(i.payload -> 'content' order by i.seq), '[]') from inbox i
                              where i.tenant_id = t.tenant_id and i.conversation_id = t.conversation_id
                                and i.seq between t.first_seq and t.last_seq),
                 'intent', t.outcome #> '{evidence,intent}',
                 'model', t.outcome #> '{evidence,model}',
                 'tool_calls', coalesce(t.outcome #> '{evidence,tool_calls}', '[]'),
                 'passages', coalesce(t.outcome #> '{evidence,passages}', '[]'))
               from turn t
               where t.tenant_id = o.tenant_id and t.conversation_id = o.conversation_id
                 and (t.outcome #>> '{evidence,sale,stage,order_id}') = 'ord_' || replace(o.order_id::text, '-', '')
               order by t.last_seq limit 1),
             'payments', (
               select coalesce(jsonb_agg(jsonb_build_object(
                 'payment_id', 'pay_' || replace(p.payment_id::text, '-', ''), 'provider', p.provider,
                 'method', p.method, 'reference', p.reference, 'state', p.state,
                 'expected_minor', p.expected_minor, 'captured_minor', p.captured_minor,
                 'refunded_minor', p.refunded_minor,
                 'facts', (select coalesce(jsonb_agg(jsonb_build_object(
                             'key', f.key, 'kind', f.kind, 'at', f.at, 'evidence', f.evidence) order by f.seq), '[]')
                           from payment_fact f where f.tenant_id = p.tenant_id and f.payment_id = p.payment_id),
                 'bookings', (select coalesce(jsonb_agg(jsonb_build_object(
                                'reference', e.reference, 'at', e.at,
                                'lines', (select jsonb_object_agg(l.account, l.minor) from ledger_line l
                                          where l.tenant_id = e.tenant_id and l.entry_id = e.entry_id)) order by e.at, e.reference), '[]')
                              from ledger_entry e where e.tenant_id = p.tenant_id and e.payment_id = p.payment_id))
                 order by p.created_at), '[]')
               from payment p where p.tenant_id = o.tenant_id and p.order_id = o.order_id)) as "trail!"
           from sales_order o
           where o.tenant_id = $1 and o.conversation_id = $2
           order by o.placed_at, o.order_id"#,
        tenant_id,
        id.as_uuid(),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(trail)
}
