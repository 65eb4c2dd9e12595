//! What is kept of each server, for the few that a run has: found by looking along their names, which is faster than a
//! tree for so few, and each step of a server is asked about some ten times.

use plumb_raft::types::NodeId;

/// A map from servers, in the order of their names.
#[derive(Clone, Debug)]
pub(super) struct Roster<T> {
    ids: Vec<NodeId>,
    kept: Vec<T>,
}

impl<T> Default for Roster<T> {
    fn default() -> Roster<T> {
        Roster {
            ids: Vec::new(),
            kept: Vec::new(),
        }
    }
}

impl<T> Roster<T> {
    #[inline]
    fn place(&self, id: NodeId) -> Option<usize> {
        // Most often all are there, from n1 on.
        let likely = (id.0 as usize).wrapping_sub(1);
        if self.ids.get(likely) == Some(&id) {
            return Some(likely);
        }
        self.ids.iter().position(|it| *it == id)
    }

    #[inline]
    pub(super) fn get(&self, id: NodeId) -> Option<&T> {
        Some(&self.kept[self.place(id)?])
    }

    /// What is kept of a server, and something new if nothing was.
    #[inline]
    pub(super) fn of(&mut self, id: NodeId) -> &mut T
    where
        T: Default,
    {
        let place = self.place(id).unwrap_or_else(|| self.add(id));
        &mut self.kept[place]
    }

    #[cold]
    fn add(&mut self, id: NodeId) -> usize
    where
        T: Default,
    {
        let place = self.ids.partition_point(|it| *it < id);
        self.ids.insert(place, id);
        self.kept.insert(place, T::default());
        place
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        if let Some(place) = self.place(id) {
            self.ids.remove(place);
            self.kept.remove(place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.kept.clear();
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.ids.iter().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &T)> {
        self.ids().zip(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_and_stand_in_the_order_of_their_names() {
        let mut roster: Roster<u64> = Roster::default();
        for id in [3, 1, 5, 2] {
            *roster.of(NodeId(id)) += id * 10;
        }
        *roster.of(NodeId(1)) += 1;
        let all: Vec<(u64, u64)> = roster.iter().map(|(id, kept)| (id.0, *kept)).collect();
        assert_eq!(all, [(1, 11), (2, 20), (3, 30), (5, 50)]);
        assert_eq!(roster.get(NodeId(5)), Some(&50));
        assert_eq!(roster.get(NodeId(4)), None);
        roster.remove(NodeId(2));
        roster.remove(NodeId(4));
        let ids: Vec<u64> = roster.ids().map(|id| id.0).collect();
        assert_eq!(ids, [1, 3, 5]);
        assert_eq!(roster.get(NodeId(3)), Some(&30));
        roster.clear();
        assert_eq!(roster.ids().count(), 0);
    }
}
