//! The benchmark's calculator: `+ - * / ( )` over decimal numbers, in binary floating point, rounded to two decimals.
//!
//! It answers questions in conversations and moves no money, so the source's floats are kept: its results are
//! compared with theirs.

/// Deeper nesting than any sum of a shop has; keeps hostile input off the stack.
const MAX_DEPTH: u32 = 64;

/// Why an expression has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalculateError {
    /// Something else than digits, `+ - * / ( ) .` and spaces.
    #[error("invalid characters in expression")]
    Characters,
    /// Not an expression.
    #[error("malformed expression")]
    Malformed,
    /// A division by zero, or more than a float holds.
    #[error("the expression has no finite value")]
    NotFinite,
}

/// The value of an expression as the source writes it: at most two decimals, at least one (`5.0`, `0.25`).
///
/// # Errors
/// When the expression is malformed or has no finite value.
pub fn calculate(expression: &str) -> Result<String, CalculateError> {
    if !expression.bytes().all(|b| b"0123456789+-*/(). ".contains(&b)) {
        return Err(CalculateError::Characters);
    }
    let mut reader = Reader { rest: expression.as_bytes(), depth: 0 };
    let value = reader.sum()?;
    if reader.peek().is_some() {
        return Err(CalculateError::Malformed);
    }
    // Formatting rounds the exact binary value, half to even, as the source does.
    let rounded: f64 = format!("{value:.2}").parse().map_err(|_| CalculateError::NotFinite)?;
    if !rounded.is_finite() {
        return Err(CalculateError::NotFinite);
    }
    Ok(match format!("{rounded:?}").split_once('e') {
        // From 1e16 on the source writes the exponent with its sign.
        Some((digits, exponent)) => format!("{digits}e+{exponent}"),
        None => format!("{rounded:?}"),
    })
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    fn sum(&mut self) -> Result<f64, CalculateError> {
        let mut value = self.product()?;
        loop {
            if self.eat(b'+') {
                value += self.product()?;
            } else if self.eat(b'-') {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, CalculateError> {
        let mut value = self.factor()?;
        loop {
            if self.eat(b'*') {
                value *= self.factor()?;
            } else if self.eat(b'/') {
                let divisor = self.factor()?;
                if divisor == 0.0 {
                    return Err(CalculateError::NotFinite);
                }
                value /= divisor;
            } else {
                return Ok(value);
            }
        }
    }

    /// A number, a sum in parentheses, or either with signs before it.
    fn factor(&mut self) -> Result<f64, CalculateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CalculateError::Malformed);
        }
        let value = if self.eat(b'-') {
            -self.factor()?
        } else if self.eat(b'+') {
            self.factor()?
        } else if self.eat(b'(') {
            let value = self.sum()?;
            if !self.eat(b')') {
                return Err(CalculateError::Malformed);
            }
            value
        } else {
            self.number()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn number(&mut self) -> Result<f64, CalculateError> {
        self.peek();
        let end = self.rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = std::str::from_utf8(digits).map_err(|_| CalculateError::Malformed)?;
        text.parse().map_err(|_| CalculateError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::{CalculateError, calculate};

    #[test]
    fn sums_products_and_parentheses_have_the_usual_precedence() {
        for (expression, value) in [
            ("3131.1 + 4777.75 + 367.38", "8276.23"),
            ("135.24 - 153.23", "-17.99"),
            ("2 + 3 * 4", "14.0"),
            ("(2 + 3) * -4 / 8", "-2.5"),
            ("10 - 2 - 3", "5.0"),
            ("1 / 3", "0.33"),
            (".5 + 5.", "5.5"),
        ] {
            assert_eq!(calculate(expression).as_deref(), Ok(value), "{expression}");
        }
    }

    #[test]
    fn rounding_is_that_of_the_binary_value() {
        // 2.675 is a little less in binary, 0.125 is exact and goes to the even neighbour.
        assert_eq!(calculate("2.675").as_deref(), Ok("2.67"));
        assert_eq!(calculate("0.125").as_deref(), Ok("0.12"));
        assert_eq!(calculate("10000000000 * 10000000000").as_deref(), Ok("1e+20"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        assert_eq!(calculate("2 ^ 3"), Err(CalculateError::Characters));
        assert_eq!(calculate("import os"), Err(CalculateError::Characters));
        for expression in ["", "2 +", "(1", "1)", "1 2", "1.2.3", ".", &"(".repeat(100_000)] {
            assert_eq!(calculate(expression), Err(CalculateError::Malformed));
        }
        assert_eq!(calculate("1 / (2 - 2)"), Err(CalculateError::NotFinite));
    }
}
