//! The shop's books, on the database.

mod after;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use balcao_domain::{
    ConversationId, OrderId, PaymentAccountId, PaymentId, TenantCtx, VariantId,
    money::{Currency, Money},
    order::Status,
    sale::Shown,
    tenant::{PixReceiver, Tenant},
    text,
};
use balcao_payments::brcode::StaticCode;
use balcao_store::{
    Store, StoreError, TenantTx, conversations,
    sales::{
        orders::{self, NewOrder, Order, Placed},
        payments::{self, Charge, NewPayment},
        products::{self, Offer, Promise},
        reports,
    },
};
use rand::Rng;

use super::port::{
    Charges, Confirmed, Details, Done, Found, HowPaid, Known, Later, OnOffer, Sales, ToDo, ToPlace,
};

/// Of a description so many characters are told.
const DESCRIPTION_CHARS: usize = 1_500;
/// Of the attributes so many.
const ATTRIBUTES: usize = 30;

/// How long a turn waits for the shop's provider to make a charge.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(3);

/// Orders of a conversation that are looked at.
const ORDERS: i64 = 5;

/// How often a code that is taken is drawn anew.
const CODES: usize = 3;

/// [`Sales`] over the store.
#[derive(Clone)]
pub struct Till {
    store: Store,
    charges: Option<Arc<dyn Charges>>,
}

impl Till {
    /// A till over this database, where orders are paid to the shop's own PIX key or arranged by a person.
    pub const fn new(store: Store) -> Self {
        Self { store, charges: None }
    }

    /// And this one has providers make charges, for shops that have one.
    #[must_use]
    pub fn with_charges(mut self, charges: Arc<dyn Charges>) -> Self {
        self.charges = Some(charges);
        self
    }

    async fn place_once(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        new: &ToPlace,
    ) -> Result<Confirmed, StoreError> {
        let ctx = TenantCtx::system(tenant.tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let talk = conversations::get(&mut tx, conversation).await?;
        let collector = if self.charges.is_some() { collector(&mut tx).await? } else { None };
        let order = NewOrder {
            intent: new.intent.clone(),
            customer_id: Some(talk.customer_id),
            conversation_id: Some(conversation),
            wanted: new.wanted.clone(),
            delivery_minor: new.delivery_minor,
            discount_minor: new.discount_minor,
            delivery: new.delivery.clone(),
            // Who pays by PIX pays soon, whoever makes the charge.
            hold: match collector {
                Some(_) => Duration::from_secs(u64::from(tenant.settings.hold_minutes) * 60),
                None => new.hold,
            },
            commission: tenant.settings.commission.clone(),
            code: rand::rng().random(),
        };
        let placed = match orders::place(&mut tx, &order).await {
            Ok(placed) => placed,
            Err(orders::PlaceError::Store(error)) => return Err(error),
            Err(other) => return Err(StoreError::Corrupt(other.to_string())),
        };
        let id = match placed {
            Placed::Refused(_) => return Ok(Confirmed::Changed),
            Placed::Now(id) => {
                let order = orders::get(&mut tx, id).await?;
                charge(&mut tx, tenant, &order, collector).await?;
                id
            }
            Placed::Before(id) => id,
        };
        let known = known(&mut tx, id).await?;
        let to_make = match (&known.how_paid, &self.charges) {
            (HowPaid::CodeIsComing, Some(charges)) => {
                payments::of_order(&mut tx, id).await?.first().map(|charge| (charge.payment_id, charges))
            }
            _ => None,
        };
        tx.commit().await?;
        let Some((payment, charges)) = to_make else { return Ok(Confirmed::Order(known)) };
        // Nothing is locked while the provider is called, and a provider that takes its time does not take the turn's.
        let _ = tokio::time::timeout(PROVIDER_PATIENCE, charges.make(&ctx, payment)).await;
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let known = self::known(&mut tx, id).await?;
        tx.commit().await?;
        Ok(Confirmed::Order(known))
    }
}

/// Makes the charge of an order: at the shop's provider where it has one that can be called, else to its own PIX key.
async fn charge(
    tx: &mut TenantTx,
    tenant: &Tenant,
    order: &Order,
    collector: Option<(PaymentAccountId, String)>,
) -> Result<(), StoreError> {
    let total = order.total()?;
    if total.currency() != Currency::BRL || total.minor() == 0 {
        return Ok(());
    }
    if let Some((account_id, provider)) = collector {
        let new = NewPayment {
            order_id: order.order_id,
            provider,
            method: "pix".into(),
            // Stored before the provider hears it: a call whose answer is lost finds its charge again.
            reference: PaymentId::generate().as_uuid().simple().to_string(),
            account_id: Some(account_id),
            terms: tenant.settings.commission.clone(),
            instructions: serde_json::json!({}),
            expires_at: order.expires_at,
        };
        return payments::create(tx, &new).await.map(drop);
    }
    match &tenant.settings.pix {
        Some(pix) => own_key(tx, tenant, pix, order).await,
        None => Ok(()),
    }
}

/// The account that makes charges: of those that can, the one that was connected last.
async fn collector(tx: &mut TenantTx) -> Result<Option<(PaymentAccountId, String)>, StoreError> {
    let accounts = reports::accounts(tx).await?;
    let able = |account: &&reports::Account| account.calls && account.provider != "nuvemshop";
    let last = accounts.iter().filter(able).max_by_key(|account| account.created_at);
    Ok(last.map(|account| (account.account_id, account.provider.clone())))
}

/// A PIX code to the shop's own key. Its txid is the order's code, so that a statement of the bank can be read.
async fn own_key(
    tx: &mut TenantTx,
    tenant: &Tenant,
    pix: &PixReceiver,
    order: &Order,
) -> Result<(), StoreError> {
    let total = order.total()?;
    let txid = order.code.replace('-', "");
    let code = StaticCode {
        key: &pix.key,
        info: None,
        amount: Some(total),
        merchant_name: &pix.name,
        merchant_city: &pix.city,
        txid: Some(&txid),
    };
    let br_code =
        code.write().map_err(|why| StoreError::Corrupt(format!("the shop's PIX settings: {why}")))?;
    let new = NewPayment {
        order_id: order.order_id,
        provider: "pix".into(),
        method: "pix".into(),
        reference: txid,
        account_id: None,
        terms: tenant.settings.commission.clone(),
        instructions: serde_json::json!({ "br_code": br_code }),
        expires_at: order.expires_at,
    };
    payments::create(tx, &new).await.map(|_| ())
}

async fn known(tx: &mut TenantTx, id: OrderId) -> Result<Known, StoreError> {
    let order = orders::get(tx, id).await?;
    let charges = payments::of_order(tx, id).await?;
    told(&order, &charges)
}

fn told(order: &Order, charges: &[Charge]) -> Result<Known, StoreError> {
    let payable = order.status == Status::AwaitingPayment;
    let how_paid = match charges.iter().find_map(Charge::br_code) {
        _ if !payable => HowPaid::Arranged,
        Some(code) => HowPaid::Code(code.to_owned()),
        None if charges.iter().any(|charge| charge.account_id.is_some()) => HowPaid::CodeIsComing,
        None => HowPaid::Arranged,
    };
    Ok(Known {
        order_id: order.order_id,
        code: order.code.clone(),
        status: order.status,
        total: order.total()?,
        how_paid,
    })
}

/// An offer as the desk shows it; nothing without a price it can show.
fn on_offer(offer: Offer) -> Option<OnOffer> {
    let currency: Currency = offer.currency.parse().ok()?;
    let title =
        if offer.variant.is_empty() { offer.title } else { format!("{} ({})", offer.title, offer.variant) };
    Some(OnOffer {
        shown: Shown { variant_id: offer.variant_id, title, unit: Money::new(offer.price_minor?, currency) },
        available: offer.available,
        sellable: offer.sellable,
        later: offer.promise.map(|promise| Later {
            preorder: promise == Promise::Preorder,
            on: offer.available_on,
            days: offer.lead_days,
        }),
    })
}

/// Of each product the variants that most of the question's words name: of "camiseta preta M" the black one in M. All of
/// them where none is named, or none of those that are can be had.
fn as_named(question: &str, offers: Vec<Offer>) -> Vec<Offer> {
    let asked = text::words(question);
    let named = |offer: &Offer| {
        let known = text::words(&offer.variant);
        // A word of a customer may be inflected: "preto" of "preta".
        let alike = |word: &String, known: &String| {
            word == known
                || (word.chars().count() > 4 && word.chars().rev().skip(1).eq(known.chars().rev().skip(1)))
        };
        known.iter().filter(|known| asked.iter().any(|word| alike(word, known))).count()
    };
    let mut kept = Vec::new();
    for product in offers.chunk_by(|one, next| one.product_id == next.product_id) {
        let most = product.iter().map(named).max().unwrap_or_default();
        let best: Vec<&Offer> = product.iter().filter(|offer| named(offer) == most).collect();
        if best.iter().any(|offer| offer.can_be_had(1)) {
            kept.extend(best.into_iter().cloned());
        } else {
            kept.extend_from_slice(product);
        }
    }
    kept
}

fn words(error: impl std::fmt::Display) -> String {
    format!("the shop's books: {error}")
}

#[async_trait]
impl Sales for Till {
    async fn sells(&self, ctx: &TenantCtx) -> Result<bool, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let empty = products::is_empty(&mut tx).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        Ok(!empty)
    }

    async fn find(&self, ctx: &TenantCtx, question: &str, limit: usize) -> Result<Found, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = products::search(&mut tx, question, limit).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        let offers = as_named(&found.question, found.offers);
        let mut on_request: Vec<String> = offers
            .iter()
            .filter(|offer| offer.price_minor.is_none())
            .map(|offer| offer.title.clone())
            .collect();
        on_request.dedup();
        let offers = offers.into_iter().filter_map(on_offer).collect();
        Ok(Found { question: found.question, offers, on_request })
    }

    async fn details(&self, ctx: &TenantCtx, variant: VariantId) -> Result<Option<Details>, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let found = products::details(&mut tx, variant).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        Ok(found.map(|found| {
            let attributes = found.attributes.as_object().into_iter().flatten();
            let attribute = |(name, value): (&String, &serde_json::Value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}: {value}")
            };
            Details {
                title: found.title,
                brand: found.brand,
                description: text::clean(&found.description, DESCRIPTION_CHARS),
                attributes: attributes.map(attribute).take(ATTRIBUTES).collect(),
                offers: found.offers.into_iter().filter_map(on_offer).collect(),
                variants: Vec::new(),
            }
        }))
    }

    async fn now(&self, ctx: &TenantCtx, variants: &[VariantId]) -> Result<Vec<OnOffer>, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let offers = products::offers(&mut tx, variants).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        Ok(offers.into_iter().filter_map(on_offer).collect())
    }

    async fn by_retailer_id(&self, ctx: &TenantCtx, ids: &[String]) -> Result<Vec<Option<OnOffer>>, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let found = products::by_retailer_id(&mut tx, ids).await.map_err(words)?;
        tx.commit().await.map_err(words)?;
        let offer = |id| found.iter().find(|(known, _)| known == id).cloned().and_then(|(_, o)| on_offer(o));
        Ok(ids.iter().map(offer).collect())
    }

    async fn place(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        new: ToPlace,
    ) -> Result<Confirmed, String> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.place_once(tenant, conversation, &new).await {
                Ok(confirmed) => return Ok(confirmed),
                // A code that another order has: once in very long.
                Err(StoreError::Conflict { constraint })
                    if tried < CODES && constraint == "sales_order_code_unique" => {}
                // The same confirmation won the race, or the source counted in between.
                Err(StoreError::Conflict { constraint })
                    if tried < CODES
                        && ["sales_order_intent_unique", "variant_stock_not_oversold"]
                            .contains(&constraint.as_str()) => {}
                Err(error) => return Err(words(error)),
            }
        }
    }

    async fn orders(&self, ctx: &TenantCtx, conversation: ConversationId) -> Result<Vec<Known>, String> {
        let mut tx = self.store.tenant_tx(ctx).await.map_err(words)?;
        let mut all = Vec::new();
        for order in orders::of_conversation(&mut tx, conversation, ORDERS).await.map_err(words)? {
            let charges = payments::of_order(&mut tx, order.order_id).await.map_err(words)?;
            all.push(told(&order, &charges).map_err(words)?);
        }
        tx.commit().await.map_err(words)?;
        Ok(all)
    }

    async fn after(&self, ctx: &TenantCtx, order: OrderId, to_do: &ToDo) -> Result<Done, String> {
        after::carry_out(&self.store, ctx, order, to_do).await.map_err(words)
    }
}
