//! The token: a secret that lets in whoever has it.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// 32 random bytes in hexadecimal, new at each start of the server.
pub(crate) struct Token {
    text: String,
    /// Cookies are shared by all ports of a host: two servers must not take each other's.
    cookie: String,
}

impl Token {
    pub fn new(port: u16) -> Result<Token, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Token { text, cookie: format!("minidocker-{port}") })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the same time wherever the first wrong character is: otherwise one could find
    /// the token character by character.
    pub fn is(&self, text: &str) -> bool {
        self.text.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Whether the token that the request brings is right; None if it brings none.
    pub fn presented(&self, request: &HttpRequest) -> Option<bool> {
        if let Some(value) = request.headers().get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            return Some(token.is_some_and(|token| self.is(token.trim())));
        }
        request.cookie(&self.cookie).map(|cookie| self.is(cookie.value()))
    }

    /// What a browser brings along from now on. No script can read it, and no other site can
    /// make the browser send it.
    pub fn to_cookie(&self, text: &str) -> Result<Cookie<'static>, ApiError> {
        if !self.is(text) {
            return Err(ApiError::new(
                actix_web::http::StatusCode::FORBIDDEN,
                "token_refused",
                "the token is not the one of this server",
                "Use the link that the server printed when it started.",
            ));
        }
        Ok(Cookie::build(self.cookie.clone(), self.text.clone())
            .path("/")
            .http_only(true)
            .same_site(SameSite::Strict)
            .finish())
    }
}

/// A secret is not for logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
