//! A shop with things to sell.

use std::time::Duration;

use balcao_domain::{
    Language, OrderId, TenantCtx, VariantId, money::Money, order::Wanted, payment::CommissionTerms,
};
use balcao_store::{
    Store,
    sales::{
        books,
        orders::{self, NewOrder, Order, Placed},
        products::{self, NewProduct, NewVariant, Offer, Taken},
    },
};
use balcao_tests::database::{TestDb, a_tenant};

pub struct Shop {
    pub db: TestDb,
    pub store: Store,
    pub ctx: TenantCtx,
}

/// A product with one variant.
pub fn product(id: &str, title: &str, price_minor: i64, on_hand: i64) -> NewProduct {
    NewProduct {
        source: "planilha".into(),
        external_id: id.into(),
        title: title.into(),
        brand: None,
        description: String::new(),
        category: vec![],
        attributes: serde_json::Map::new(),
        media: vec![],
        url: None,
        language: Language::Portuguese,
        listed: true,
        variants: vec![variant("", price_minor, on_hand)],
    }
}

pub fn variant(title: &str, price_minor: i64, on_hand: i64) -> NewVariant {
    NewVariant {
        external_id: title.into(),
        sku: None,
        gtin: None,
        title: title.into(),
        options: serde_json::Map::new(),
        price_minor: Some(price_minor),
        currency: "BRL".into(),
        sellable: true,
        on_hand: Some(on_hand),
        promise: None,
        available_on: None,
        lead_days: None,
    }
}

impl Shop {
    pub async fn open() -> Self {
        let db = TestDb::new().await;
        let store = db.store_with(40).await;
        let ctx = a_tenant(&store, "aurora").await;
        Self { db, store, ctx }
    }

    pub async fn put(&self, products: &[NewProduct]) -> Taken {
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
        let taken = products::put(&mut tx, products).await.expect("products");
        tx.commit().await.expect("a commit");
        taken
    }

    pub async fn find(&self, question: &str) -> Vec<Offer> {
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
        let offers = products::search(&mut tx, question, 10).await.expect("offers").offers;
        tx.commit().await.expect("a commit");
        offers
    }

    /// The one variant of a product with this title.
    pub async fn offer(&self, title: &str) -> Offer {
        let found = self.find(title).await.into_iter().find(|offer| offer.title == title);
        found.unwrap_or_else(|| panic!("`{title}` is not found"))
    }

    pub async fn available(&self, title: &str) -> i64 {
        self.offer(title).await.available.expect("counted")
    }

    pub async fn place(&self, new: &NewOrder) -> Placed {
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
        let placed = orders::place(&mut tx, new).await.expect("an order or a refusal");
        tx.commit().await.expect("a commit");
        placed
    }

    pub async fn placed(&self, new: &NewOrder) -> OrderId {
        match self.place(new).await {
            Placed::Now(id) => id,
            other => panic!("not placed: {other:?}"),
        }
    }

    pub async fn order(&self, id: OrderId) -> Order {
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
        let order = orders::get(&mut tx, id).await.expect("the order");
        tx.commit().await.expect("a commit");
        order
    }

    /// The time of every order that waits for its payment is over.
    pub async fn time_passes(&self) {
        let mut admin = self.db.admin().await;
        let over = "update sales_order set expires_at = now() - interval '1 second'";
        admin.execute(over).await.expect("an update");
        for (tenant_id, id) in orders::due(&self.store, 100).await.expect("orders") {
            assert_eq!(tenant_id, self.ctx.tenant_id);
            let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
            orders::expire(&mut tx, id).await.expect("an end");
            tx.commit().await.expect("a commit");
        }
    }

    /// Stock, orders and books add up.
    pub async fn is_sound(&self) {
        let mut tx = self.store.tenant_tx(&self.ctx).await.expect("a transaction");
        assert_eq!(books::verify(&mut tx).await.expect("a check"), []);
        tx.commit().await.expect("a commit");
    }
}

/// An order of these variants, each with its quantity and the price that was shown.
pub fn order(intent: &str, wanted: &[(VariantId, i64, i64)]) -> NewOrder {
    NewOrder {
        intent: intent.into(),
        customer_id: None,
        conversation_id: None,
        wanted: wanted
            .iter()
            .map(|(variant_id, quantity, minor)| Wanted {
                variant_id: *variant_id,
                quantity: *quantity,
                unit: Money::brl(*minor),
            })
            .collect(),
        delivery_minor: 0,
        discount_minor: 0,
        delivery: serde_json::json!({ "kind": "pickup" }),
        hold: Duration::from_secs(1800),
        commission: CommissionTerms {
            bps: 1000,
            fixed_minor: 0,
            beneficiaries: vec![("vendedor".into(), 2), ("balcao".into(), 1)],
        },
        code: rand::random(),
    }
}
