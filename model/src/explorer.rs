//! stateright's Explorer on a scope: a browser's view of its states and steps.

use std::io;
use std::net::{SocketAddr, TcpListener};

use stateright::Model;

use crate::ablations::Ablations;
use crate::raft::Raft;
use crate::scopes::Scope;

/// Serves the Explorer on `address` until the process ends. Servers keep their names: the Explorer
/// walks single runs, where symmetry would rename them from step to step.
///
/// # Errors
/// If the address cannot be listened on, or the scope's bounds do not fit a packed state.
pub fn explore(scope: &Scope, ablations: Ablations, address: SocketAddr) -> io::Result<()> {
    let raft = Raft::new(scope.bounds, ablations)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // stateright panics where it cannot listen, so that is found out first.
    drop(TcpListener::bind(address)?);
    let _checker = raft.checker().serve(address);
    Ok(())
}
