//! `wasi:sockets`: access denied.

use wasmtime::{
    StoreContextMut,
    component::{Linker, LinkerInstance, Resource, ResourceType, Val},
};

use super::{absent, interface, unreachable};
use crate::{
    fuel::{self, CALL},
    host_state::HostState,
};

struct Network;
struct ResolveAddressStream;
struct TcpSocket;
struct UdpSocket;
struct IncomingDatagrams;
struct OutgoingDatagrams;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut network = interface(linker, "sockets/network")?;
    network.resource("network", ResourceType::host::<Network>(), |mut store, _| {
        store.data_mut().world.drop_stream();
        Ok(())
    })?;
    let mut instance = interface(linker, "sockets/instance-network")?;
    instance.func_wrap("instance-network", |mut store: StoreContextMut<'_, HostState>, (): ()| {
        fuel::charge(&mut store, CALL)?;
        store.data_mut().world.add_stream()?;
        Ok((Resource::<Network>::new_own(0),))
    })?;

    let mut lookup = interface(linker, "sockets/ip-name-lookup")?;
    absent::<ResolveAddressStream>(&mut lookup, "resolve-address-stream")?;
    unreachable(
        &mut lookup,
        &["[method]resolve-address-stream.resolve-next-address", "[method]resolve-address-stream.subscribe"],
    )?;
    denied(&mut lookup, "resolve-addresses")?;

    tcp(&mut interface(linker, "sockets/tcp")?)?;
    denied(&mut interface(linker, "sockets/tcp-create-socket")?, "create-tcp-socket")?;
    udp(&mut interface(linker, "sockets/udp")?)?;
    denied(&mut interface(linker, "sockets/udp-create-socket")?, "create-udp-socket")
}

/// A function that would open something.
fn denied(interface: &mut LinkerInstance<'_, HostState>, name: &str) -> wasmtime::Result<()> {
    interface.func_new(name, |mut store, _, _, results| {
        fuel::charge(&mut store, CALL)?;
        if let Some(result) = results.first_mut() {
            *result = Val::Result(Err(Some(Box::new(Val::Enum("access-denied".into())))));
        }
        Ok(())
    })
}

fn tcp(tcp: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    absent::<TcpSocket>(tcp, "tcp-socket")?;
    unreachable(
        tcp,
        &[
            "[method]tcp-socket.start-bind",
            "[method]tcp-socket.finish-bind",
            "[method]tcp-socket.start-connect",
            "[method]tcp-socket.finish-connect",
            "[method]tcp-socket.start-listen",
            "[method]tcp-socket.finish-listen",
            "[method]tcp-socket.accept",
            "[method]tcp-socket.local-address",
            "[method]tcp-socket.remote-address",
            "[method]tcp-socket.is-listening",
            "[method]tcp-socket.address-family",
            "[method]tcp-socket.set-listen-backlog-size",
            "[method]tcp-socket.keep-alive-enabled",
            "[method]tcp-socket.set-keep-alive-enabled",
            "[method]tcp-socket.keep-alive-idle-time",
            "[method]tcp-socket.set-keep-alive-idle-time",
            "[method]tcp-socket.keep-alive-interval",
            "[method]tcp-socket.set-keep-alive-interval",
            "[method]tcp-socket.keep-alive-count",
            "[method]tcp-socket.set-keep-alive-count",
            "[method]tcp-socket.hop-limit",
            "[method]tcp-socket.set-hop-limit",
            "[method]tcp-socket.receive-buffer-size",
            "[method]tcp-socket.set-receive-buffer-size",
            "[method]tcp-socket.send-buffer-size",
            "[method]tcp-socket.set-send-buffer-size",
            "[method]tcp-socket.subscribe",
            "[method]tcp-socket.shutdown",
        ],
    )
}

fn udp(udp: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    absent::<UdpSocket>(udp, "udp-socket")?;
    absent::<IncomingDatagrams>(udp, "incoming-datagram-stream")?;
    absent::<OutgoingDatagrams>(udp, "outgoing-datagram-stream")?;
    unreachable(
        udp,
        &[
            "[method]udp-socket.start-bind",
            "[method]udp-socket.finish-bind",
            "[method]udp-socket.stream",
            "[method]udp-socket.local-address",
            "[method]udp-socket.remote-address",
            "[method]udp-socket.address-family",
            "[method]udp-socket.unicast-hop-limit",
            "[method]udp-socket.set-unicast-hop-limit",
            "[method]udp-socket.receive-buffer-size",
            "[method]udp-socket.set-receive-buffer-size",
            "[method]udp-socket.send-buffer-size",
            "[method]udp-socket.set-send-buffer-size",
            "[method]udp-socket.subscribe",
            "[method]incoming-datagram-stream.receive",
            "[method]incoming-datagram-stream.subscribe",
            "[method]outgoing-datagram-stream.check-send",
            "[method]outgoing-datagram-stream.send",
            "[method]outgoing-datagram-stream.subscribe",
        ],
    )
}
