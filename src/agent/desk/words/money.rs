//! What is said of an order's money.

use balcao_domain::{Language, money::Money};

use super::Words;
use crate::desk::port::{HowPaid, Known};

impl Words {
    /// An order that was just placed, and how it is paid.
    pub fn placed(self, order: &Known) -> String {
        let (code, total) = (&order.code, self.money(order.total));
        let noted = match self.0 {
            Language::Portuguese => format!("Pedido **{code}** anotado! Total: **{total}**."),
            Language::English => format!("Order **{code}** is placed! Total: **{total}**."),
        };
        let next = match order.how_paid {
            HowPaid::Code(_) => self.pick(
                "\n\nPara pagar, copie o código PIX abaixo no aplicativo do seu banco.",
                "\n\nTo pay, copy the PIX code below into your bank's app.",
            ),
            HowPaid::CodeIsComing => self.pick(
                "\n\nEstou gerando o código PIX: ele chega aqui em instantes.",
                "\n\nThe PIX code is being made: you will get it here in a moment.",
            ),
            HowPaid::Arranged => self.pick(
                " Uma pessoa da loja combina o pagamento com você por aqui.",
                " Someone from the shop will arrange the payment with you here.",
            ),
        };
        noted + next
    }

    /// The code that was promised.
    pub fn code(self, code: &str, total: Money) -> String {
        let total = self.money(total);
        match self.0 {
            Language::Portuguese => {
                format!(
                    "Aqui está o código PIX do pedido **{code}** ({total}). Copie no aplicativo do seu banco."
                )
            }
            Language::English => {
                format!("Here is the PIX code of order **{code}** ({total}). Copy it into your bank's app.")
            }
        }
    }

    /// The money of an order is here.
    pub fn paid(self, code: &str, total: Money, attention: bool) -> String {
        let total = self.money(total);
        let here = match self.0 {
            Language::Portuguese => {
                format!("Recebemos o pagamento do pedido **{code}** ({total}). Obrigado!")
            }
            Language::English => format!("We received the payment of order **{code}** ({total}). Thank you!"),
        };
        let next = if attention {
            self.pick(
                "Uma pessoa da loja vai falar com você sobre ele por aqui.",
                "Someone from the shop will talk to you about it here.",
            )
        } else {
            self.pick("Já vamos preparar.", "We are getting it ready.")
        };
        format!("{here} {next}")
    }

    /// It came when its goods were gone, and goes back.
    pub fn too_late(self, code: &str, total: Money) -> String {
        let total = self.money(total);
        match self.0 {
            Language::Portuguese => format!(
                "O pagamento do pedido **{code}** ({total}) chegou depois do prazo, e o produto acabou nesse meio-tempo. \
                 Já pedimos a devolução do valor inteiro: ele volta para a conta de onde saiu."
            ),
            Language::English => format!(
                "The payment of order **{code}** ({total}) arrived after its time, and its goods were gone by then. We \
                 have asked for all of it to go back to the account it came from."
            ),
        }
    }

    /// Some of it came.
    pub fn missing(self, code: &str, arrived: Money, missing: Money) -> String {
        let (arrived, missing) = (self.money(arrived), self.money(missing));
        match self.0 {
            Language::Portuguese => format!(
                "Recebemos **{arrived}** do pedido **{code}**; ainda faltam **{missing}**. Uma pessoa da loja combina o \
                 resto com você por aqui."
            ),
            Language::English => format!(
                "We received **{arrived}** for order **{code}**; **{missing}** is still missing. Someone from the shop \
                 will arrange the rest with you here."
            ),
        }
    }

    /// It went back.
    pub fn refunded(self, code: &str, amount: Money) -> String {
        let amount = self.money(amount);
        match self.0 {
            Language::Portuguese => {
                format!("Devolvemos **{amount}** do pedido **{code}** para a conta de onde o pagamento saiu.")
            }
            Language::English => {
                format!("**{amount}** of order **{code}** went back to the account the payment came from.")
            }
        }
    }
}
