//! What is said of an order that is placed: what could be done with it, and what was.

use balcao_domain::{Language, money::Money, order::Status, sale::Ask};

use super::Words;
use crate::desk::port::{Known, Why};

impl Words {
    /// What would be done; a yes is a yes to this.
    pub fn asking(self, what: Ask, order: &Known, words: &str) -> String {
        let (code, total) = (&order.code, self.money(order.total));
        let paid = order.status == Status::Paid;
        match (self.0, what) {
            (Language::Portuguese, Ask::Cancel) if paid => {
                format!(
                    "Cancelar o pedido **{code}** ({total})? Ele não será enviado, e o valor pago é devolvido."
                )
            }
            (Language::Portuguese, Ask::Cancel) => format!("Cancelar o pedido **{code}** ({total})?"),
            (Language::Portuguese, Ask::Address) => {
                format!("Entregar o pedido **{code}** ({total}) neste endereço?\n\n{words}")
            }
            (Language::Portuguese, Ask::Items) => format!(
                "Para mudar os itens, eu cancelo o pedido **{code}** ({total}) e ponho tudo de volta no seu carrinho: \
                 você muda o que quiser e fecha de novo, com os preços de agora. Pode ser?"
            ),
            (Language::Portuguese, Ask::Return) => {
                format!("Pedir a devolução do pedido **{code}** ({total})? Seu motivo: “{words}”")
            }
            (Language::Portuguese, Ask::Exchange) => {
                format!("Pedir a troca do pedido **{code}** ({total})? Seu motivo: “{words}”")
            }
            (Language::English, Ask::Cancel) if paid => {
                format!(
                    "Cancel order **{code}** ({total})? It will not be sent, and what was paid goes back."
                )
            }
            (Language::English, Ask::Cancel) => format!("Cancel order **{code}** ({total})?"),
            (Language::English, Ask::Address) => {
                format!("Deliver order **{code}** ({total}) to this address?\n\n{words}")
            }
            (Language::English, Ask::Items) => format!(
                "To change its items, I cancel order **{code}** ({total}) and put everything back into your cart: change \
                 what you like and place it again, at the prices of then. All right?"
            ),
            (Language::English, Ask::Return) => {
                format!("Ask to return order **{code}** ({total})? Your reason: “{words}”")
            }
            (Language::English, Ask::Exchange) => {
                format!("Ask to exchange order **{code}** ({total})? Your reason: “{words}”")
            }
        }
    }

    pub const fn yes_do_it(self, what: Ask) -> &'static str {
        match what {
            Ask::Cancel => self.pick("Cancelar pedido", "Cancel order"),
            Ask::Address => self.pick("Esse endereço", "This address"),
            Ask::Items => self.pick("Mudar itens", "Change items"),
            Ask::Return => self.pick("Pedir devolução", "Ask to return"),
            Ask::Exchange => self.pick("Pedir troca", "Ask to exchange"),
        }
    }

    pub const fn leave_it(self) -> &'static str {
        self.pick("Deixar como está", "Leave it")
    }

    pub fn left(self) -> String {
        self.pick("Tudo bem, o pedido fica como está.", "All right, the order stays as it is.").into()
    }

    pub fn new_address(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => {
                format!("Qual é o novo endereço do pedido **{code}**? (rua, número, bairro, cidade e CEP)")
            }
            Language::English => {
                format!("What is the new address of order **{code}**? (street, number, city, code)")
            }
        }
    }

    pub fn address_changed(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => format!("Pronto: o pedido **{code}** vai para o novo endereço."),
            Language::English => format!("Done: order **{code}** goes to the new address."),
        }
    }

    pub fn refund_is_coming(self, code: &str, amount: Money) -> String {
        let amount = self.money(amount);
        match self.0 {
            Language::Portuguese => format!(
                "Pedido **{code}** cancelado. Já pedimos a devolução de **{amount}**; eu aviso aqui quando o dinheiro sair."
            ),
            Language::English => format!(
                "Order **{code}** is canceled. We have asked for **{amount}** to go back; I will tell you here when it has."
            ),
        }
    }

    pub fn person_refunds(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => {
                format!(
                    "Pedido **{code}** cancelado. Uma pessoa da loja faz a devolução e fala com você por aqui."
                )
            }
            Language::English => {
                format!(
                    "Order **{code}** is canceled. Someone from the shop gives the money back and will write to you here."
                )
            }
        }
    }

    pub fn reopened(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => {
                format!("Pedido **{code}** cancelado; os itens voltaram para o carrinho.")
            }
            Language::English => format!("Order **{code}** is canceled; its items are back in your cart."),
        }
    }

    pub fn return_asked(self, what: Ask, code: &str) -> String {
        match (self.0, what) {
            (Language::Portuguese, Ask::Exchange) => {
                format!(
                    "Pedido de troca do **{code}** registrado. Uma pessoa da loja combina os detalhes com você por aqui."
                )
            }
            (Language::Portuguese, _) => format!(
                "Pedido de devolução do **{code}** registrado. Uma pessoa da loja combina os detalhes com você por aqui."
            ),
            (Language::English, Ask::Exchange) => {
                format!(
                    "Your wish to exchange **{code}** is noted. Someone from the shop will arrange it with you here."
                )
            }
            (Language::English, _) => {
                format!(
                    "Your wish to return **{code}** is noted. Someone from the shop will arrange it with you here."
                )
            }
        }
    }

    pub fn unknown_order(self, code: &str, orders: &[Known]) -> String {
        let known: Vec<&str> = orders.iter().map(|order| order.code.as_str()).collect();
        let known = known.join(", ");
        match self.0 {
            Language::Portuguese => {
                format!("Não achei o pedido **{code}** nesta conversa. Os seus são: {known}.")
            }
            Language::English => {
                format!("I found no order **{code}** in this conversation. Yours are: {known}.")
            }
        }
    }

    /// Why it cannot be done.
    pub fn not_possible(self, what: Ask, order: &Known, why: &Why) -> String {
        let code = &order.code;
        let why = match why {
            Why::Status(status) => {
                let status = self.status(*status);
                match self.0 {
                    Language::Portuguese => format!("ele está como “{status}”"),
                    Language::English => format!("it is “{status}”"),
                }
            }
            Why::CalledOff => self.pick("ele já foi cancelado", "it is canceled already").to_owned(),
            Why::NoAddress => {
                self.pick("ele não é entregue em um endereço", "it is not delivered to an address").to_owned()
            }
        };
        let what = match what {
            Ask::Cancel => self.pick("cancelar", "cancel"),
            Ask::Address => self.pick("mudar o endereço de entrega de", "change the address of"),
            Ask::Items => self.pick("mudar os itens de", "change the items of"),
            Ask::Return => self.pick("devolver", "return"),
            Ask::Exchange => self.pick("trocar", "exchange"),
        };
        match self.0 {
            Language::Portuguese => {
                format!(
                    "Por aqui não dá para {what} o pedido **{code}**: {why}. Uma pessoa da loja pode ajudar."
                )
            }
            Language::English => {
                format!("I cannot {what} order **{code}** here: {why}. Someone from the shop can help.")
            }
        }
    }

    /// What was to be said is no longer so: this is.
    pub fn no_longer_so(self, changes: &[(String, Option<Money>)]) -> String {
        let line = |(title, price): &(String, Option<Money>)| match (self.0, price) {
            (Language::Portuguese, Some(price)) => format!("- {title} agora custa {}.", self.money(*price)),
            (Language::English, Some(price)) => format!("- {title} now costs {}.", self.money(*price)),
            (Language::Portuguese, None) => format!("- {title} acabou de esgotar."),
            (Language::English, None) => format!("- {title} has just sold out."),
        };
        let lines: Vec<String> = changes.iter().map(line).collect();
        let (before, after) = match self.0 {
            Language::Portuguese => {
                ("Mudou enquanto eu respondia:", "Quer continuar? Me diga o que você quer ver.")
            }
            Language::English => {
                ("This changed while I was answering:", "Shall we go on? Tell me what you would like to see.")
            }
        };
        format!("{before}\n{}\n\n{after}", lines.join("\n"))
    }

    /// It is on its way.
    pub fn shipped(self, code: &str, tracking: Option<&str>) -> String {
        let sent = match self.0 {
            Language::Portuguese => format!("Seu pedido **{code}** saiu para entrega."),
            Language::English => format!("Your order **{code}** is on its way."),
        };
        match tracking {
            Some(tracking) => format!("{sent} {} **{tracking}**", self.pick("Rastreio:", "Tracking:")),
            None => sent,
        }
    }

    /// It was handed over.
    pub fn delivered(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => {
                format!("Seu pedido **{code}** foi entregue. Obrigado por comprar com a gente!")
            }
            Language::English => {
                format!("Your order **{code}** was delivered. Thank you for buying from us!")
            }
        }
    }

    /// The shop has decided about something that is to come back.
    pub fn return_decided(self, code: &str, exchange: bool, refused: Option<&str>) -> String {
        let what = match (self.0, exchange) {
            (Language::Portuguese, true) => "A troca",
            (Language::Portuguese, false) => "A devolução",
            (Language::English, true) => "The exchange",
            (Language::English, false) => "The return",
        };
        match (self.0, refused) {
            (Language::Portuguese, None) => format!("{what} do pedido **{code}** foi aprovada."),
            (Language::Portuguese, Some(why)) => {
                format!("{what} do pedido **{code}** não foi aprovada: {why}")
            }
            (Language::English, None) => format!("{what} of order **{code}** is approved."),
            (Language::English, Some(why)) => format!("{what} of order **{code}** is not approved: {why}"),
        }
    }

    /// It has come back.
    pub fn returned(self, code: &str) -> String {
        match self.0 {
            Language::Portuguese => format!("Recebemos de volta o que você devolveu do pedido **{code}**."),
            Language::English => format!("We have received what you sent back of order **{code}**."),
        }
    }
}
