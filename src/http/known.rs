//! Names that a route does not know, in its query or in its body: refused with 422, and with the name that was
//! probably meant.
//!
//! A route knows the parameters that its OpenAPI operation lists, and the fields that its body is read into. Routes for
//! visitors and probes take any query.

use std::{collections::HashMap, fmt, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use utoipa::openapi::{
    OpenApi, RefOr,
    path::{Operation, ParameterIn},
};

use super::{Error, field::Faults};
use crate::domain::likely;

/// Unknown names that one answer tells at most.
const TOLD: usize = 20;
/// Characters of an unknown name that an answer repeats.
const NAME_CHARS: usize = 64;
/// Bytes of a member's value up to which it is compared with the resource's own.
const COMPARED_BYTES: usize = 1 << 10;

/// The query parameters of each route, by method and path.
#[derive(Debug, Default)]
pub struct Parameters(HashMap<(Method, String), KnownParameters>);

/// The query parameters of the route that a request matched.
#[derive(Debug, Clone)]
pub(super) struct KnownParameters(Arc<[String]>);

impl Parameters {
    /// Those that the operations of `document` list.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut routes = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    routes.insert((method, path.clone()), KnownParameters::of(operation));
                }
            }
        }
        Self(routes)
    }
}

impl KnownParameters {
    fn of(operation: &Operation) -> Self {
        let in_query = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(it) if it.parameter_in == ParameterIn::Query => Some(it.name.clone()),
            _ => None,
        });
        Self(in_query.collect())
    }

    /// Notes each name that is not known.
    pub(super) fn check<'n>(&self, names: impl Iterator<Item = &'n str>, faults: &mut Faults) {
        let known: Vec<&str> = self.0.iter().map(String::as_str).collect();
        for name in names.filter(|name| !name.is_empty() && !known.contains(name)).take(TOLD) {
            note(faults, name, unknown(name, &known));
        }
    }
}

/// Refuses a query with parameters that its route does not have.
pub async fn known_parameters(State(routes): State<Arc<Parameters>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // A method that the route does not have is refused by the router.
    let Some(known) = routes.0.get(&(request.method().clone(), path.to_owned())).cloned() else {
        return next.run(request).await;
    };
    let query = request.uri().query().unwrap_or_default();
    let names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
    let mut faults = Faults::default();
    known.check(names.iter().map(|name| &**name), &mut faults);
    if let Err(refused) = faults.check(Some(())) {
        return refused.into_response();
    }
    request.extensions_mut().insert(known);
    next.run(request).await
}

/// The members of a JSON object that its type has no field for.
#[derive(Debug)]
pub struct Others {
    known: &'static [&'static str],
    members: Vec<(String, Member)>,
}

/// What is known of such a member.
#[derive(Debug)]
enum Member {
    /// Its value; none if that is long.
    Unknown(Option<Value>),
    /// The resource has it, with another value.
    Fixed,
}

impl Others {
    /// Those of the object in `bytes`, which was read into a `T`.
    pub(super) fn of<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<Self, serde_json::Error> {
        let known = fields_of::<T>();
        let members = serde_json::Deserializer::from_slice(bytes).deserialize_map(Members { known })?;
        Ok(Self { known, members })
    }

    /// Passes over members that repeat what the resource has: a client may send back what it read. `current` is
    /// awaited only if there are any.
    pub async fn unless_repeated<R: Serialize>(
        mut self,
        current: impl Future<Output = Result<Option<R>, Error>>,
    ) -> Result<Self, Error> {
        if self.members.is_empty() {
            return Ok(self);
        }
        let current = serde_json::to_value(current.await?).map_err(Error::internal)?;
        // It is the service's own, and the client's may be of an earlier reading.
        self.members.retain(|(name, _)| name != "updated_at");
        self.members.retain_mut(|(name, member)| match (current.get(&*name), &member) {
            (Some(own), Member::Unknown(Some(value))) if own == value => false,
            (Some(_), _) => {
                *member = Member::Fixed;
                true
            }
            (None, _) => true,
        });
        Ok(self)
    }

    /// A fault for each.
    pub fn into_faults(self) -> Faults {
        let mut faults = Faults::default();
        for (name, member) in self.members {
            let fault = match member {
                Member::Unknown(_) => unknown(&name, self.known),
                Member::Fixed => "cannot be changed".to_owned(),
            };
            note(&mut faults, &name, fault);
        }
        faults
    }
}

/// What is wrong with an unknown name, worded to follow it.
fn unknown(name: &str, known: &[&str]) -> String {
    match likely(name, known.iter().copied()) {
        Some(likely) => format!("is not known here: {likely} was probably meant"),
        None if known.is_empty() => "is not known here, which takes none".to_owned(),
        None => format!("is not known here, which takes {}", known.join(", ")),
    }
}

fn note(faults: &mut Faults, name: &str, fault: String) {
    let name: String = name.chars().take(NAME_CHARS).collect();
    faults.note::<()>(&name, fault);
}

/// Reads the members of an object that are not `known`.
struct Members {
    known: &'static [&'static str],
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Member)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.known.contains(&&*name) || members.len() == TOLD {
                map.next_value::<IgnoredAny>()?;
            } else {
                let json = map.next_value::<&RawValue>()?.get();
                let value = if json.len() <= COMPARED_BYTES { serde_json::from_str(json).ok() } else { None };
                members.push((name, Member::Unknown(value)));
            }
        }
        Ok(members)
    }
}

/// The names of the fields that a struct is read from.
fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Only its question is of interest: it is never answered.
    T::deserialize(FieldNames(&mut names)).ok();
    names
}

struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(serde::de::Error::custom(""))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom(""))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
