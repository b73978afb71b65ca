//! People, and the ids they are known by. See `balcao_domain::customer`.

use balcao_domain::{
    ChannelId, ConversationId, CustomerId,
    customer::{IdentityChange, Sender, phone_candidates, phone_digits},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{StoreError, TenantTx};

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolved {
    pub customer_id: CustomerId,
    pub conversation_id: ConversationId,
}

/// A person.
#[derive(Debug, Clone, Serialize)]
pub struct Customer {
    pub customer_id: CustomerId,
    pub channel_id: ChannelId,
    pub name: Option<String>,
    pub username: Option<String>,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    /// Wants no messages at all.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// Wants no marketing.
    pub marketing_opted_out_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Finds or makes the customer and the conversation of a sender: user id first, then phone in every written
/// form. Ids that turn out to name one person are joined: the older customer stays. New ids and names are kept.
///
/// `NotFound` when the channel is not the tenant's; `Corrupt` when the sender has no id at all.
pub async fn resolve(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    sender: &Sender,
) -> Result<Resolved, StoreError> {
    if sender.user_id.is_none() && sender.phone.is_none() {
        return Err(StoreError::Corrupt("a sender without any id".into()));
    }
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query!(
        r#"select customer_id as "customer_id!", conversation_id as "conversation_id!"
           from customer_resolve($1, $2, $3, $4, $5, $6, $7)"#,
        tenant_id,
        channel_id.as_uuid(),
        sender.user_id,
        sender.phone,
        &forms(sender),
        sender.name,
        sender.username,
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(StoreError::NotFound)?;
    Ok(Resolved {
        customer_id: CustomerId::from_uuid(row.customer_id),
        conversation_id: ConversationId::from_uuid(row.conversation_id),
    })
}

/// Applies an announced change of ids. Idempotent, in any order with the other announcements.
pub async fn change_identity(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    change: &IdentityChange,
) -> Result<(), StoreError> {
    let (before, after) = (&change.before, &change.after);
    let ids = [&before.user_id, &before.phone, &after.user_id, &after.phone];
    if ids.iter().all(|id| id.is_none()) {
        return Ok(());
    }
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "select customer_change_identity($1, $2, $3, $4, $5, $6, $7, $8)",
        tenant_id,
        channel_id.as_uuid(),
        before.user_id,
        before.phone,
        &forms(before),
        after.user_id,
        after.phone,
        &forms(after),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One person.
pub async fn get(tx: &mut TenantTx, id: CustomerId) -> Result<Customer, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let row = sqlx::query_as!(
        Row,
        "select customer_id, channel_id, name, username, phone, user_id, opted_out_at, marketing_opted_out_at,
                created_at
         from customer where tenant_id = $1 and customer_id = $2",
        tenant_id,
        id.as_uuid(),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.into())
}

/// Everybody known by this id: our own (`cus_…`), a phone number in any written form, or a channel's user id.
pub async fn find(tx: &mut TenantTx, id: &str) -> Result<Vec<Customer>, StoreError> {
    if let Ok(id) = id.parse::<CustomerId>() {
        return match get(tx, id).await {
            Ok(customer) => Ok(vec![customer]),
            Err(StoreError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
    }
    let values = match phone_digits(id) {
        Some(digits) => [phone_candidates(&digits), vec![id.to_owned()]].concat(),
        None => vec![id.to_owned()],
    };
    let tenant_id = tx.tenant_id().as_uuid();
    let rows = sqlx::query_as!(
        Row,
        "select c.customer_id, c.channel_id, c.name, c.username, c.phone, c.user_id, c.opted_out_at,
                c.marketing_opted_out_at, c.created_at
         from customer_find($1, $2) as found (customer_id)
         join customer c on c.tenant_id = $1 and c.customer_id = found.customer_id
         order by c.created_at, c.customer_id",
        tenant_id,
        &values,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Customer::from).collect())
}

/// Everything that is stored about one person, for the person: ids, messages, answers and what they stand on, events.
pub async fn export(tx: &mut TenantTx, id: CustomerId) -> Result<serde_json::Value, StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query_scalar!("select customer_export($1, $2)", tenant_id, id.as_uuid())
        .fetch_one(tx.conn())
        .await?
        .ok_or(StoreError::NotFound)
}

/// Deletes a person with all conversations, and everything that names them. What is left is one event
/// (`customer.erased`) with the id, which leads nowhere any more. Cannot be undone.
pub async fn erase(tx: &mut TenantTx, id: CustomerId) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(r#"select customer_erase($1, $2) as "found!""#, tenant_id, id.as_uuid())
        .fetch_one(tx.conn())
        .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Stops or resumes all messages to this person. Pushes an event when that changes anything.
pub async fn set_opted_out(tx: &mut TenantTx, id: CustomerId, opted_out: bool) -> Result<(), StoreError> {
    let tenant_id = tx.tenant_id().as_uuid();
    let found = sqlx::query_scalar!(
        r#"select customer_opt_out($1, $2, $3) as "found!""#,
        tenant_id,
        id.as_uuid(),
        opted_out,
    )
    .fetch_one(tx.conn())
    .await?;
    if found { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Stops or resumes marketing, by the channel's ids of the person. Unknown people are created.
pub async fn set_marketing(
    tx: &mut TenantTx,
    channel_id: ChannelId,
    who: &Sender,
    wanted: bool,
) -> Result<(), StoreError> {
    let resolved = resolve(tx, channel_id, who).await?;
    let tenant_id = tx.tenant_id().as_uuid();
    sqlx::query!(
        "update customer
         set marketing_opted_out_at = case when $3 then null else coalesce(marketing_opted_out_at, now()) end
         where tenant_id = $1 and customer_id = $2",
        tenant_id,
        resolved.customer_id.as_uuid(),
        wanted,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Every written form of a sender's phone number.
fn forms(sender: &Sender) -> Vec<String> {
    sender.phone.as_deref().map(phone_candidates).unwrap_or_default()
}

struct Row {
    customer_id: Uuid,
    channel_id: Uuid,
    name: Option<String>,
    username: Option<String>,
    phone: Option<String>,
    user_id: Option<String>,
    opted_out_at: Option<DateTime<Utc>>,
    marketing_opted_out_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<Row> for Customer {
    fn from(row: Row) -> Self {
        Self {
            customer_id: CustomerId::from_uuid(row.customer_id),
            channel_id: ChannelId::from_uuid(row.channel_id),
            name: row.name,
            username: row.username,
            phone: row.phone,
            user_id: row.user_id,
            opted_out_at: row.opted_out_at,
            marketing_opted_out_at: row.marketing_opted_out_at,
            created_at: row.created_at,
        }
    }
}
