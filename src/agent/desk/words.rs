//! What the counter says. Every amount and every count in it is given; nothing here is made up.

mod after;
mod money;

use balcao_domain::{
    Language, bill::Bill, money::Money, order::Status, reply::ReplyOption, sale::Item, tenant::DeliveryOption,
};

use super::port::{Known, Later, OnOffer};

/// The counter's words in one language.
#[derive(Debug, Clone, Copy)]
pub struct Words(pub Language);

/// What changed of a cart since it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is not to be had any more.
    Gone(String),
    /// There are not so many.
    Fewer(String, i64),
    /// It costs something else now.
    Price(String, Money),
}

impl Words {
    const fn pick(self, portuguese: &'static str, english: &'static str) -> &'static str {
        match self.0 {
            Language::Portuguese => portuguese,
            Language::English => english,
        }
    }

    /// An amount as it is written.
    pub fn amount(self, amount: Money) -> String {
        self.money(amount)
    }

    fn money(self, amount: Money) -> String {
        amount.readable(self.0)
    }

    fn option(self, id: impl Into<String>, portuguese: &'static str, english: &'static str) -> ReplyOption {
        ReplyOption { id: id.into(), title: self.pick(portuguese, english).into(), description: None }
    }

    /// A list to choose from by number.
    pub fn offers(self, offers: &[OnOffer]) -> String {
        let mut text = self.pick("Encontrei:", "Here is what I found:").to_owned();
        for (at, offer) in offers.iter().enumerate() {
            text += &format!("\n{}. {} — {}", at + 1, offer.shown.title, self.price(offer));
        }
        text + "\n\n"
            + self.pick(
                "Qual você quer? Responda com o número.",
                "Which one would you like? Reply with its number.",
            )
    }

    /// One thing that was found.
    pub fn offer(self, offer: &OnOffer) -> String {
        let (title, price) = (&offer.shown.title, self.price(offer));
        if !offer.can_be_had(1) {
            return match self.0 {
                Language::Portuguese => {
                    format!("**{title}** custa {}, mas acabou no momento.", self.money(offer.shown.unit))
                }
                Language::English => {
                    format!("**{title}** costs {}, but it is out of stock now.", self.money(offer.shown.unit))
                }
            };
        }
        match self.0 {
            Language::Portuguese => format!("Temos sim: **{title}** — {price}. Quer levar?"),
            Language::English => format!("Yes, we have **{title}** — {price}. Would you like it?"),
        }
    }

    fn price(self, offer: &OnOffer) -> String {
        let price = self.money(offer.shown.unit);
        match offer.later {
            _ if !offer.can_be_had(1) => format!("{price} ({})", self.pick("esgotado", "sold out")),
            Some(later) => format!("{price} ({})", self.later(later)),
            None => price,
        }
    }

    /// Something whose price the shop wants to be asked for.
    pub fn on_request(self, title: &str) -> String {
        match self.0 {
            Language::Portuguese => {
                format!(
                    "**{title}** é sob consulta: o preço depende do pedido. Quer falar com uma pessoa da loja?"
                )
            }
            Language::English => {
                format!("**{title}** is priced on request. Would you like to speak to a person of the shop?")
            }
        }
    }

    /// When something is sent that is not there: part of its price, so that nobody buys without knowing.
    fn later(self, later: Later) -> String {
        let how = if later.preorder {
            self.pick("pré-venda", "pre-order")
        } else {
            self.pick("sob encomenda", "made to order")
        };
        match (self.0, later.on, later.days) {
            (Language::Portuguese, Some(day), _) => {
                format!("{how}, envio a partir de {}", day.format("%d/%m/%Y"))
            }
            (Language::English, Some(day), _) => format!("{how}, sent from {}", day.format("%-d %B %Y")),
            (Language::Portuguese, None, Some(1)) => format!("{how}, envio em até 1 dia"),
            (Language::Portuguese, None, Some(days)) => format!("{how}, envio em até {days} dias"),
            (Language::English, None, Some(1)) => format!("{how}, sent within 1 day"),
            (Language::English, None, Some(days)) => format!("{how}, sent within {days} days"),
            (_, None, None) => how.to_owned(),
        }
    }

    /// What a row of the list says besides the title.
    pub fn row(self, offer: &OnOffer) -> String {
        self.price(offer)
    }

    pub fn how_many(self, title: &str, unit: Money) -> String {
        let price = self.money(unit);
        match self.0 {
            Language::Portuguese => format!("**{title}** — {price} cada. Quantas unidades?"),
            Language::English => format!("**{title}** — {price} each. How many?"),
        }
    }

    pub fn only_so_many(self, title: &str, left: i64) -> String {
        match (self.0, left) {
            (Language::Portuguese, ..=0) => format!("Que pena, **{title}** acabou. Quer ver outra coisa?"),
            (Language::Portuguese, 1) => {
                format!("De **{title}** só temos 1 unidade agora. Quantas você quer?")
            }
            (Language::Portuguese, n) => {
                format!("De **{title}** só temos {n} unidades agora. Quantas você quer?")
            }
            (Language::English, ..=0) => {
                format!("Sorry, **{title}** is sold out. Would you like something else?")
            }
            (Language::English, n) => {
                format!("We only have {n} of **{title}** now. How many would you like?")
            }
        }
    }

    pub fn at_least_one(self) -> String {
        self.pick("Preciso de um número a partir de 1.", "I need a number from 1 on.").into()
    }

    pub fn not_on_the_list(self, last: usize) -> String {
        match self.0 {
            Language::Portuguese => format!("Não achei esse número na lista: escolha de 1 a {last}."),
            Language::English => format!("That number is not on the list: choose from 1 to {last}."),
        }
    }

    pub fn full_cart(self) -> String {
        self.pick(
            "Seu carrinho está cheio. Vamos fechar este pedido primeiro?",
            "Your cart is full. Shall we check out this order first?",
        )
        .into()
    }

    /// The cart and its sum.
    pub fn cart(self, cart: &[Item], sum: Money) -> String {
        format!(
            "{}\n{}\n**{}: {}**",
            self.pick("No seu carrinho:", "In your cart:"),
            self.lines(cart),
            self.pick("Subtotal", "Subtotal"),
            self.money(sum)
        )
    }

    fn lines(self, cart: &[Item]) -> String {
        let line = |item: &Item| {
            let total = item.what.unit.checked_mul(item.quantity).unwrap_or(item.what.unit);
            format!("- {} × {} — {}", item.quantity, item.what.title, self.money(total))
        };
        cart.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    pub fn empty_cart(self) -> String {
        self.pick(
            "Seu carrinho está vazio. O que você procura?",
            "Your cart is empty. What are you looking for?",
        )
        .into()
    }

    pub fn cleared(self) -> String {
        self.pick("Pronto, esvaziei o carrinho.", "Done, your cart is empty now.").into()
    }

    pub fn what_else(self) -> String {
        self.pick(
            "O que mais você procura? Seu carrinho fica guardado.",
            "What else are you looking for? I keep your cart.",
        )
        .into()
    }

    pub fn deliveries(self, ways: &[DeliveryOption], price: impl Fn(usize) -> Money) -> String {
        let mut text = self.pick("Como você quer receber?", "How would you like to get it?").to_owned();
        for (at, way) in ways.iter().enumerate() {
            text += &format!("\n{}. {} — {}", at + 1, way.name, self.fee(price(at)));
        }
        text
    }

    pub fn fee(self, price: Money) -> String {
        if price.minor() == 0 { self.pick("grátis", "free").into() } else { self.money(price) }
    }

    pub fn where_to(self) -> String {
        self.pick(
            "Qual é o endereço completo de entrega (rua, número, bairro, cidade e CEP)?",
            "What is the full delivery address (street, number, city and postcode)?",
        )
        .into()
    }

    /// What is confirmed: every line, delivery, and the total.
    pub fn summary(
        self,
        cart: &[Item],
        way: Option<&DeliveryOption>,
        address: Option<&str>,
        bill: &Bill,
    ) -> String {
        let mut text = format!("**{}**\n{}", self.pick("Resumo do pedido", "Your order"), self.lines(cart));
        if bill.discount.minor() > 0 {
            let label = self.pick("Desconto no PIX", "PIX discount");
            text += &format!("\n- {label} — −{}", self.money(bill.discount));
        }
        if let Some(way) = way {
            text += &format!("\n- {} — {}", way.name, self.fee(bill.delivery));
        }
        if let Some(address) = address {
            text += &format!("\n{}: {address}", self.pick("Entregar em", "Deliver to"));
        }
        text += &format!("\n**Total: {}**\n\n", self.money(bill.total));
        text + self.pick("Posso confirmar?", "Shall I place it?")
    }

    pub fn changed(self, changes: &[Changed]) -> String {
        let line = |change: &Changed| match (self.0, change) {
            (Language::Portuguese, Changed::Gone(title)) => format!("{title} acabou e saiu do carrinho."),
            (Language::Portuguese, Changed::Fewer(title, left)) => format!("De {title} só há {left} agora."),
            (Language::Portuguese, Changed::Price(title, price)) => {
                format!("{title} agora custa {}.", self.money(*price))
            }
            (Language::English, Changed::Gone(title)) => {
                format!("{title} is sold out and was taken off your cart.")
            }
            (Language::English, Changed::Fewer(title, left)) => {
                format!("There are only {left} of {title} now.")
            }
            (Language::English, Changed::Price(title, price)) => {
                format!("{title} now costs {}.", self.money(*price))
            }
        };
        let attention = self.pick("Atenção, algo mudou:", "Something changed:");
        let lines: Vec<String> = changes.iter().map(|change| format!("- {}", line(change))).collect();
        format!("{attention}\n{}", lines.join("\n"))
    }

    pub fn older(self) -> String {
        self.pick(
            "Esse resumo já mudou. Este é o atual:",
            "That summary is out of date. This is the present one:",
        )
        .into()
    }

    pub fn kept(self) -> String {
        self.pick("Tudo bem, não fechei nada.", "All right, nothing was placed.").into()
    }

    /// Orders and where they stand.
    pub fn orders(self, orders: &[Known]) -> String {
        let line = |order: &Known| {
            format!("- **{}** ({}): {}", order.code, self.money(order.total), self.status(order.status))
        };
        let lines: Vec<String> = orders.iter().map(line).collect();
        format!("{}\n{}", self.pick("Seus pedidos:", "Your orders:"), lines.join("\n"))
    }

    /// Said to somebody who says they have paid, while nothing has arrived.
    pub fn not_yet(self) -> String {
        self.pick(
            "O pagamento ainda não apareceu aqui. Assim que o banco confirmar, o pedido segue.",
            "The payment has not arrived here yet. As soon as the bank confirms it, your order goes on.",
        )
        .into()
    }

    pub fn canceled(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => format!("Pedido **{code}** cancelado. Nada será cobrado."),
            Language::English => format!("Order **{code}** is canceled. Nothing will be charged."),
        }
    }

    pub fn trouble(self) -> String {
        self.pick(
            "Não consegui consultar a loja agora. Nada foi cobrado nem perdido: tente de novo em um minuto.",
            "I could not reach the shop's books just now. Nothing was charged or lost: try again in a minute.",
        )
        .into()
    }

    pub fn unknown_cart(self) -> String {
        self.pick(
            "Não reconheci os itens desse carrinho; uma pessoa da loja pode ajudar.",
            "I did not recognise the items of that cart; a person of the shop can help.",
        )
        .into()
    }

    pub const fn status(self, status: Status) -> &'static str {
        match status {
            Status::AwaitingPayment => self.pick("aguardando pagamento", "waiting for payment"),
            Status::Paid => self.pick("pago", "paid"),
            Status::Shipped => self.pick("a caminho", "on its way"),
            Status::Delivered => self.pick("entregue", "delivered"),
            Status::Canceled => self.pick("cancelado", "canceled"),
            Status::Expired => self.pick("expirado (não foi pago a tempo)", "expired (not paid in time)"),
            Status::Refunded => self.pick("reembolsado", "refunded"),
        }
    }

    pub fn take(self, id: String) -> ReplyOption {
        self.option(id, "Quero", "I'd like it")
    }

    pub fn checkout(self) -> ReplyOption {
        self.option("sale:checkout", "Fechar pedido", "Check out")
    }

    pub fn more(self) -> ReplyOption {
        self.option("sale:more", "Ver mais coisas", "Keep shopping")
    }

    pub fn clear(self) -> ReplyOption {
        self.option("sale:clear", "Esvaziar carrinho", "Empty cart")
    }

    pub fn yes(self, revision: u32) -> ReplyOption {
        self.option(format!("sale:yes:{revision}"), "Confirmar", "Place order")
    }

    pub fn no(self) -> ReplyOption {
        self.option("sale:no", "Agora não", "Not now")
    }
}
