//! One person is one customer, by whatever ids and in whatever order we hear of them.

use balcao_domain::{
    CustomerId,
    customer::{IdentityChange, Sender},
};
use balcao_store::{StoreError, conversations, customers, inbox};

use super::world::{World, phone, says, world};

const PHONE: &str = "554190000002";
const WITH_NINTH: &str = "5541990000002";
const ID: &str = "BR.900000000000000002";

fn user(id: &str) -> Sender {
    Sender { user_id: Some(id.into()), ..Sender::default() }
}

fn both(digits: &str, id: &str) -> Sender {
    Sender { phone: Some(digits.into()), user_id: Some(id.into()), ..Sender::default() }
}

async fn resolve(world: &World, sender: &Sender) -> customers::Resolved {
    let mut tx = world.tx().await;
    let resolved = customers::resolve(&mut tx, world.channel, sender).await.unwrap();
    tx.commit().await.unwrap();
    resolved
}

async fn change(world: &World, before: Sender, after: Sender) {
    let mut tx = world.tx().await;
    customers::change_identity(&mut tx, world.channel, &IdentityChange { before, after }).await.unwrap();
    tx.commit().await.unwrap();
}

async fn customer(world: &World, id: CustomerId) -> customers::Customer {
    let mut tx = world.tx().await;
    customers::get(&mut tx, id).await.unwrap()
}

async fn count(world: &World) -> usize {
    // The world's own customer does not count.
    world.db.admin().await.rows("select 1 from customer").await.unwrap().len() - 1
}

/// Every order of a list.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    (0..items.len())
        .flat_map(|first| {
            let mut rest = items.to_vec();
            let head = rest.remove(first);
            orders(&rest).into_iter().map(move |mut order| {
                order.insert(0, head.clone());
                order
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_phone_then_by_both_then_by_id_alone_in_every_order_is_one_customer() {
    let seen = [phone(PHONE), phone(WITH_NINTH), both(PHONE, ID), user(ID)];
    for order in orders(&seen) {
        let world = world().await;
        for sender in &order {
            resolve(&world, sender).await;
        }
        let ends: std::collections::HashSet<_> =
            futures::future::join_all(seen.iter().map(|sender| resolve(&world, sender)))
                .await
                .into_iter()
                .collect();
        assert_eq!((ends.len(), count(&world).await), (1, 1), "{order:?}");
    }
}

#[derive(Debug, Clone)]
enum Signal {
    Message(Sender),
    Change(Sender, Sender),
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announcements_of_a_new_number_in_every_order_leave_one_customer() {
    let (old_id, new_id) = ("BR.900000000000000001", "BR.900000000000000077");
    let signals = [
        Signal::Message(both("5511900000021", old_id)),
        Signal::Change(phone("5511900000021"), phone("5511900000077")),
        Signal::Change(user(old_id), user(new_id)),
        Signal::Message(both("5511900000077", new_id)),
    ];
    for order in orders(&signals) {
        let world = world().await;
        // Everything comes twice: the channel redelivers.
        for signal in order.iter().chain(&order) {
            match signal {
                Signal::Message(sender) => drop(resolve(&world, sender).await),
                Signal::Change(before, after) => change(&world, before.clone(), after.clone()).await,
            }
        }
        assert_eq!(count(&world).await, 1, "{order:?}");
        let resolved = resolve(&world, &user(new_id)).await;
        let customer = customer(&world, resolved.customer_id).await;
        assert_eq!(customer.phone.as_deref(), Some("5511900000077"), "{order:?}");
        assert_eq!(customer.user_id.as_deref(), Some(new_id), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_passed_to_somebody_else_is_another_person() {
    let world = world().await;
    let first = resolve(&world, &both(PHONE, ID)).await;
    let second = resolve(&world, &both(PHONE, "BR.900000000000000999")).await;
    assert_ne!(first.customer_id, second.customer_id);
    assert_eq!(
        customer(&world, first.customer_id).await.phone,
        None,
        "nobody writes to a number that has moved on"
    );
    assert_eq!(resolve(&world, &user(ID)).await, first);
    assert_eq!(resolve(&world, &phone(PHONE)).await, second);

    // The old announcement, redelivered days later, does not join the two.
    change(&world, both("5511900000031", ID), phone("5511900000032")).await;
    let people = count(&world).await;
    resolve(&world, &both("5511900000031", "BR.900000000000000555")).await;
    change(&world, both("5511900000031", ID), phone("5511900000032")).await;
    assert_eq!(count(&world).await, people + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_people_keep_their_messages_their_stop_and_their_hand_off() {
    let world = world().await;
    let by_phone = resolve(&world, &phone(PHONE)).await;
    let by_id = resolve(&world, &user(ID)).await;
    assert_ne!(by_phone.customer_id, by_id.customer_id);
    let batch = [
        world.message_in(by_phone.conversation_id, "p1", says("pelo telefone")),
        world.message_in(by_id.conversation_id, "i1", says("pelo id")),
    ];
    inbox::append(&world.store, &batch).await.unwrap();
    let mut tx = world.tx().await;
    customers::set_opted_out(&mut tx, by_id.customer_id, true).await.unwrap();
    conversations::hand_off(&mut tx, by_id.conversation_id, "pediu").await.unwrap();
    tx.commit().await.unwrap();

    let one = resolve(&world, &both(PHONE, ID)).await;
    assert_eq!(one, by_phone, "the older customer stays");
    let joined = customer(&world, one.customer_id).await;
    assert!(joined.opted_out_at.is_some());
    let mut tx = world.tx().await;
    let conversation = conversations::get(&mut tx, one.conversation_id).await.unwrap();
    assert!(conversation.handed_off_at.is_some());
    let lines = conversations::history(&mut tx, one.conversation_id, None, 10).await.unwrap().items;
    assert_eq!(lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(), ["pelo telefone", "pelo id"]);
    drop(tx);

    // What waited in the other conversation is still answered, to the one customer.
    let claim =
        inbox::claim(&world.store, &world.ctx, by_id.conversation_id, "node", super::world::LEASE, 10)
            .await
            .unwrap()
            .unwrap();
    assert_eq!((claim.customer_id, claim.messages.len()), (one.customer_id, 1));
    assert!(matches!(
        customers::get(&mut world.tx().await, by_id.customer_id).await,
        Err(StoreError::NotFound)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_messages_of_one_person_at_once_make_one_customer() {
    let world = std::sync::Arc::new(world().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..12 {
        let world = std::sync::Arc::clone(&world);
        tasks.spawn(async move {
            let sender = [phone(PHONE), phone(WITH_NINTH), both(PHONE, ID), user(ID)][n % 4].clone();
            resolve(&world, &sender).await
        });
    }
    tasks.join_all().await;
    resolve(&world, &both(PHONE, ID)).await;
    assert_eq!(count(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_and_updated_and_marketing_is_its_own_wish() {
    let world = world().await;
    let named = |name: &str| Sender { name: Some(name.into()), ..phone(PHONE) };
    let resolved = resolve(&world, &named("João")).await;
    resolve(&world, &phone(PHONE)).await;
    assert_eq!(customer(&world, resolved.customer_id).await.name.as_deref(), Some("João"));
    resolve(&world, &named("João Batista")).await;
    assert_eq!(customer(&world, resolved.customer_id).await.name.as_deref(), Some("João Batista"));

    let mut tx = world.tx().await;
    customers::set_marketing(&mut tx, world.channel, &phone(WITH_NINTH), false).await.unwrap();
    customers::set_marketing(&mut tx, world.channel, &user("BR.900000000000000003"), false).await.unwrap();
    tx.commit().await.unwrap();
    let customer = customer(&world, resolved.customer_id).await;
    assert!(customer.marketing_opted_out_at.is_some() && customer.opted_out_at.is_none());
    assert_eq!(count(&world).await, 2, "an unknown person's wish is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shops_channel_is_not_found() {
    let world = world().await;
    let other = balcao_store::tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let ctx = balcao_domain::TenantCtx::system(other.tenant_id);
    let mut tx = world.store.tenant_tx(&ctx).await.unwrap();
    let result = customers::resolve(&mut tx, world.channel, &phone(PHONE)).await;
    assert!(matches!(result, Err(StoreError::NotFound)), "{result:?}");
}
