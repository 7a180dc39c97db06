//! `wasi:random`: dice that fall the same way each time.

use tidemill_pipeline::Digest;
use wasmtime::{StoreContextMut, component::Linker};

use super::interface;
use crate::{
    fuel::{self, CALL},
    host_state::{HostState, Stop},
};

/// What a random byte costs.
const RANDOM_BYTE: u64 = 20;

/// What randomness is drawn from. Nothing is hashed before something is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed(Vec<u8>);

impl Seed {
    /// The seed of some parts. Other parts give another seed, however they are divided.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut seed = Vec::with_capacity(128);
        for part in parts {
            seed.extend((part.len() as u64).to_le_bytes());
            seed.extend(*part);
        }
        Self(seed)
    }

    fn pair(&self) -> (u64, u64) {
        let mut dice = Dice::new(self.clone());
        (dice.number(), dice.number())
    }
}

/// SHA-256 of a seed and a counter.
#[derive(Debug)]
pub(super) struct Dice {
    seed: Seed,
    block: u64,
    left: Vec<u8>,
}

impl Dice {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, block: 0, left: Vec::new() }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.left);
        while bytes.len() < len {
            let block = [self.seed.0.as_slice(), &self.block.to_le_bytes()].concat();
            bytes.extend(Digest::of(&block).as_bytes());
            self.block += 1;
        }
        self.left = bytes.split_off(len);
        bytes
    }

    fn number(&mut self) -> u64 {
        self.bytes(8).into_iter().fold(0, |number, byte| number << 8 | u64::from(byte))
    }
}

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut random = interface(linker, "random/random")?;
    random.func_wrap("get-random-bytes", |mut store, (len,): (u64,)| Ok((bytes(&mut store, len)?,)))?;
    random.func_wrap("get-random-u64", |mut store, (): ()| Ok((number(&mut store)?,)))?;
    let mut insecure = interface(linker, "random/insecure")?;
    insecure.func_wrap("get-insecure-random-bytes", |mut store, (len,): (u64,)| Ok((bytes(&mut store, len)?,)))?;
    insecure.func_wrap("get-insecure-random-u64", |mut store, (): ()| Ok((number(&mut store)?,)))?;
    let mut seed = interface(linker, "random/insecure-seed")?;
    seed.func_wrap("insecure-seed", |mut store: StoreContextMut<'_, HostState>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        Ok((store.data().world.component_seed().pair(),))
    })
}

fn bytes(store: &mut StoreContextMut<'_, HostState>, len: u64) -> wasmtime::Result<Vec<u8>> {
    fuel::charge(store, CALL.saturating_add(RANDOM_BYTE.saturating_mul(len)))?;
    let max = store.data().host_call_bytes_max;
    let Some(len) = usize::try_from(len).ok().filter(|len| *len <= max) else {
        return Err(Stop::Limit(format!("it asked for more than {max} random bytes at once")).into());
    };
    Ok(store.data_mut().world.dice().bytes(len))
}

fn number(store: &mut StoreContextMut<'_, HostState>) -> wasmtime::Result<u64> {
    fuel::charge(store, CALL + RANDOM_BYTE * 8)?;
    Ok(store.data_mut().world.dice().number())
}
