//! A graph of dependencies between transactions, its strongly connected components (Tarjan 1972,
//! without recursion), and short cycles in them. Besides transactions it has *moments*: nodes that
//! stand for a point of an order which many edges share, so that the graph stays linear in the history.

use std::collections::VecDeque;

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It wrote the version before.
    WriteWrite,
    /// It wrote what was read.
    WriteRead,
    /// It read the version before.
    ReadWrite,
    /// The same process did it before.
    Process,
    /// It completed before the other began.
    RealTime,
    /// From a moment on, to where the edge into it was meant to lead.
    Onward,
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const WW: Kinds = Kinds(1 << Kind::WriteWrite as u8);
    pub(crate) const WR: Kinds = Kinds(1 << Kind::WriteRead as u8);
    pub(crate) const RW: Kinds = Kinds(1 << Kind::ReadWrite as u8);
    pub(crate) const PROCESS: Kinds = Kinds(1 << Kind::Process as u8);
    pub(crate) const REAL_TIME: Kinds = Kinds(1 << Kind::RealTime as u8);

    pub(crate) const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(crate) fn has(self, kind: Kind) -> bool {
        kind == Kind::Onward || self.0 & 1 << kind as u8 != 0
    }
}

/// An edge; `key` is the object that it is about, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) to: u32,
    pub(crate) kind: Kind,
    pub(crate) key: u32,
}

/// Edges by the node that they leave.
pub(crate) struct Graph {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// From a list of edges, each with the node that it leaves.
    pub(crate) fn new(nodes: usize, list: &[(u32, Edge)]) -> Graph {
        let mut starts = vec![0u32; nodes + 1];
        for (from, _) in list {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let blank = Edge {
            to: 0,
            kind: Kind::RealTime,
            key: 0,
        };
        let mut edges = vec![blank; list.len()];
        for (from, edge) in list {
            edges[next[*from as usize] as usize] = *edge;
            next[*from as usize] += 1;
        }
        Graph { starts, edges }
    }

    pub(crate) fn memory(&self) -> usize {
        self.starts.len() * 4 + self.edges.len() * size_of::<Edge>()
    }

    fn from(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// The components with more than one node over edges of these kinds, smallest first.
    pub(crate) fn components(&self, kinds: Kinds) -> Vec<Vec<u32>> {
        const UNSEEN: u32 = u32::MAX;
        let nodes = self.starts.len() - 1;
        let mut low = vec![UNSEEN; nodes];
        let mut on_stack = vec![false; nodes];
        let mut stack: Vec<u32> = Vec::new();
        let mut found = Vec::new();
        // A node, its number, and its next edge.
        let mut path: Vec<(u32, u32, u32)> = Vec::new();
        let mut count = 0;
        for root in 0..u32::try_from(nodes).expect("nodes fit 32 bits") {
            if low[root as usize] != UNSEEN {
                continue;
            }
            path.push((root, count, self.starts[root as usize]));
            low[root as usize] = count;
            count += 1;
            stack.push(root);
            on_stack[root as usize] = true;
            while let Some((node, number, next)) = path.last_mut() {
                if *next < self.starts[*node as usize + 1] {
                    let edge = self.edges[*next as usize];
                    *next += 1;
                    if !kinds.has(edge.kind) {
                        continue;
                    }
                    let to = edge.to as usize;
                    if low[to] == UNSEEN {
                        path.push((edge.to, count, self.starts[to]));
                        low[to] = count;
                        count += 1;
                        stack.push(edge.to);
                        on_stack[to] = true;
                    } else if on_stack[to] {
                        let node = *node as usize;
                        low[node] = low[node].min(low[to]);
                    }
                    continue;
                }
                let (node, number) = (*node, *number);
                path.pop();
                let own = low[node as usize];
                if let Some((parent, ..)) = path.last() {
                    let parent = &mut low[*parent as usize];
                    *parent = (*parent).min(own);
                }
                if own == number {
                    let at = stack.iter().rposition(|other| *other == node);
                    let component = stack.split_off(at.expect("a root is on the stack"));
                    for member in &component {
                        on_stack[*member as usize] = false;
                    }
                    if component.len() > 1 {
                        found.push(component);
                    }
                }
            }
        }
        found.sort_by_key(Vec::len);
        found
    }

    /// A shortest path over edges of these kinds within a component, both ends included; `from` may be
    /// `to`, and then it is a cycle.
    pub(crate) fn path(
        &self,
        from: u32,
        to: u32,
        kinds: Kinds,
        inside: &[bool],
    ) -> Option<Vec<(u32, Edge)>> {
        let mut before: std::collections::BTreeMap<u32, (u32, Edge)> = [].into();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for edge in self.from(node) {
                if !kinds.has(edge.kind) || !inside[edge.to as usize] {
                    continue;
                }
                if edge.to == to {
                    let mut path = vec![(node, *edge)];
                    let mut at = node;
                    while at != from {
                        let step = before[&at];
                        path.push(step);
                        at = step.0;
                    }
                    path.reverse();
                    return Some(path);
                }
                if edge.to != from {
                    before.entry(edge.to).or_insert_with(|| {
                        queue.push_back(edge.to);
                        (node, *edge)
                    });
                }
            }
        }
        None
    }

    /// The edges of one kind that leave and enter a component.
    pub(crate) fn inner_edges<'g>(
        &'g self,
        component: &'g [u32],
        kind: Kind,
        inside: &'g [bool],
    ) -> impl Iterator<Item = (u32, Edge)> + 'g {
        component.iter().flat_map(move |node| {
            self.from(*node)
                .iter()
                .filter(move |edge| edge.kind == kind && inside[edge.to as usize])
                .map(move |edge| (*node, *edge))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: u32, to: u32, kind: Kind) -> (u32, Edge) {
        (from, Edge { to, kind, key: 0 })
    }

    #[test]
    fn components_and_cycles_are_found_over_the_kinds_asked_for() {
        let list = [
            edge(0, 1, Kind::WriteWrite),
            edge(1, 2, Kind::WriteRead),
            edge(2, 0, Kind::ReadWrite),
            edge(2, 3, Kind::WriteWrite),
            edge(3, 4, Kind::WriteWrite),
            edge(4, 3, Kind::WriteWrite),
        ];
        let graph = Graph::new(5, &list);
        let mut ww = graph.components(Kinds::WW);
        ww[0].sort_unstable();
        assert_eq!(ww, [[3, 4]]);
        let all = Kinds::WW.and(Kinds::WR).and(Kinds::RW);
        assert_eq!(graph.components(all).len(), 2);
        let cycle = graph.path(0, 0, all, &[true; 5]).unwrap();
        assert_eq!(
            cycle.iter().map(|(node, _)| *node).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(graph.path(0, 0, Kinds::WW, &[true; 5]), None);
    }
}
