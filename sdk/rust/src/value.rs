//! Values: how what a map holds becomes a value of the state, and back.

use std::ops::{Deref, DerefMut};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    contract::types::Value,
    error::{Context, Error, Result},
};

/// What a [`Map`](crate::Map) can hold.
///
/// Numbers are decimal text, `String` is text as it stands, `Vec<u8>` is bytes, [`Json`] is compact JSON text, and the contract's
/// [`Value`] is whatever there is.
pub trait Stored: Sized + 'static {
    /// What is stored.
    ///
    /// # Errors
    /// When it cannot be written down, as JSON cannot have a map keyed by lists.
    fn to_value(&self) -> Result<Value>;

    /// Reads what is stored under a key.
    ///
    /// # Errors
    /// A halt: a state that cannot be read is no event's fault, and a person must look.
    fn from_value(key: &str, value: &Value) -> Result<Self>;
}

/// Anything that serde can write and read, as compact JSON text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Stored for Json<T> {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::Text(serde_json::to_string(&self.0).context("a row cannot be written as JSON")?))
    }

    fn from_value(key: &str, value: &Value) -> Result<Self> {
        let unreadable =
            |why: &dyn std::fmt::Display| Error::halt(format_args!("the row `{key}` cannot be read: {why}"));
        match value {
            Value::Text(text) => serde_json::from_str(text).map(Self).map_err(|error| unreadable(&error)),
            Value::Bytes(_) => Err(unreadable(&"it is bytes, not text")),
        }
    }
}

impl Stored for Value {
    fn to_value(&self) -> Result<Value> {
        Ok(self.clone())
    }

    fn from_value(_: &str, value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}

impl Stored for String {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::Text(self.clone()))
    }

    fn from_value(key: &str, value: &Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            Value::Bytes(_) => Err(Error::halt(format_args!("the state of `{key}` is not text"))),
        }
    }
}

impl Stored for Vec<u8> {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::Bytes(self.clone()))
    }

    fn from_value(key: &str, value: &Value) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.clone()),
            Value::Text(_) => Err(Error::halt(format_args!("the state of `{key}` is not bytes"))),
        }
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Stored for $number {
            fn to_value(&self) -> Result<Value> {
                Ok(Value::Text(self.to_string()))
            }

            fn from_value(key: &str, value: &Value) -> Result<Self> {
                let number = match value {
                    Value::Text(text) => text.parse().ok(),
                    Value::Bytes(_) => None,
                };
                number.ok_or_else(|| Error::halt(format_args!("the state of `{key}` is not a number")))
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
