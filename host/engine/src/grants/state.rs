//! The import `state`: the processor's keys, through the overlay of the call.

use tidemill_pipeline::{Failure, Value, WriteError};
use wasmtime::{StoreContextMut, component::Linker};

use crate::{
    contract::{Entry, Page, ScanRange, Stored, Write},
    fuel::{self, CALL, ENTRY, READ, SCAN, WRITE},
    host_state::{HostState, Stop},
};

/// The most entries that a scan gives.
const SCAN_ENTRIES_MAX: usize = 1_000;
/// A scan ends behind the entry that passes this: values may be large, and the page is held twice.
const SCAN_BYTES_MAX: usize = 1024 * 1024;
/// Entries first asked of the state: without knowing their size, no more of them are held at once.
const SCAN_ENTRIES_FIRST: usize = 16;

type Calling<'a> = StoreContextMut<'a, HostState>;

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Host(failure)
    }
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Self::Limit(error.to_string())
    }
}

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut state = linker.instance("tidemill:processor/state@0.1.0")?;
    state.func_wrap("get", |mut store: Calling<'_>, (key,): (String,)| {
        fuel::charge(&mut store, CALL + READ + fuel::bytes(key.len()))?;
        let value = read(&mut store, &key)?;
        fuel::charge(&mut store, fuel::bytes(size(value.as_ref())))?;
        Ok((value,))
    })?;
    state
        .func_wrap("get-many", |mut store: Calling<'_>, (keys,): (Vec<String>,)| Ok((get_many(&mut store, &keys)?,)))?;
    state.func_wrap("scan", |mut store: Calling<'_>, (range,): (ScanRange,)| Ok((scan(&mut store, &range)?,)))?;
    state.func_wrap("put", |mut store: Calling<'_>, (key, value): (String, Stored)| {
        write(&mut store, Write { key, value: Some(value) }, CALL)
    })?;
    state.func_wrap("delete", |mut store: Calling<'_>, (key,): (String,)| {
        write(&mut store, Write { key, value: None }, CALL)
    })?;
    state.func_wrap("apply", |mut store: Calling<'_>, (writes,): (Vec<Write>,)| {
        fuel::charge(&mut store, CALL)?;
        writes.into_iter().try_for_each(|change| write(&mut store, change, 0))
    })
}

fn read(store: &mut Calling<'_>, key: &str) -> Result<Option<Stored>, Stop> {
    Ok(store.data_mut().overlay()?.get(key)?.map(Stored::from))
}

fn size(value: Option<&Stored>) -> usize {
    value.map_or(0, Stored::len)
}

fn get_many(store: &mut Calling<'_>, keys: &[String]) -> wasmtime::Result<Vec<Option<Stored>>> {
    fuel::charge(store, CALL)?;
    let mut values = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in keys {
        fuel::charge(store, READ + fuel::bytes(key.len()))?;
        let value = read(store, key)?;
        bytes += size(value.as_ref());
        if bytes > store.data().host_call_bytes_max {
            let max = store.data().host_call_bytes_max;
            return Err(Stop::Limit(format!("the values of one `get-many` have more than {max} bytes")).into());
        }
        fuel::charge(store, fuel::bytes(size(value.as_ref())))?;
        values.push(value);
    }
    Ok(values)
}

fn scan(store: &mut Calling<'_>, range: &ScanRange) -> wasmtime::Result<Page> {
    fuel::charge(store, CALL + SCAN + fuel::bytes(range.prefix.len()))?;
    let wanted = match range.limit {
        0 => SCAN_ENTRIES_MAX,
        limit => SCAN_ENTRIES_MAX.min(limit as usize),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let mut more = true;
    while more && entries.len() < wanted && bytes < SCAN_BYTES_MAX {
        let left = SCAN_BYTES_MAX - bytes;
        let fitting = if entries.is_empty() { SCAN_ENTRIES_FIRST } else { left * entries.len() / bytes.max(1) + 1 };
        let ask = fitting.min(wanted - entries.len());
        let after = entries.last().map(|entry| entry.key.clone()).or_else(|| range.after.clone());
        let (found, rest) =
            store.data_mut().overlay()?.scan(&range.prefix, after.as_deref(), ask).map_err(Stop::from)?;
        more = rest;
        let before = bytes;
        bytes += found.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        fuel::charge(store, ENTRY.saturating_mul(found.len() as u64) + fuel::bytes(bytes - before))?;
        entries.extend(found.into_iter().map(|(key, value)| Entry { key, value: value.into() }));
    }
    Ok(Page { entries, more })
}

fn write(store: &mut Calling<'_>, Write { key, value }: Write, call: u64) -> wasmtime::Result<()> {
    fuel::charge(store, call + WRITE + fuel::bytes(key.len() + size(value.as_ref())))?;
    store.data_mut().overlay()?.write(key, value.map(Value::from)).map_err(Stop::from)?;
    Ok(())
}
