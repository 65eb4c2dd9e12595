//! Every property that a run can be found to break: what it says, where that comes from, and where it is judged. The
//! names are signatures, in files and in people's minds: they stay.

/// A property of runs.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Where that comes from.
    pub source: &'static str,
    /// Which runs are held to it.
    pub tiers: &'static str,
}

const ALL: &str = "bare, full, guests";
const OURS: &str = "bare, full";
const GUESTS: &str = "guests";

const fn property(
    name: &'static str,
    says: &'static str,
    source: &'static str,
    tiers: &'static str,
) -> Property {
    Property {
        name,
        says,
        source,
        tiers,
    }
}

/// All of them, by name.
pub const PROPERTIES: &[Property] = &[
    property(
        "A Leader Begins With An Entry",
        "whoever is elected appends an entry of its term at once",
        "§8; dissertation §6.4",
        OURS,
    ),
    property(
        "A Lease Is Exclusive",
        "while a leader reads by its lease nobody leads a later term, no majority would elect another, and no successor was told to stand",
        "dissertation §6.4.1",
        OURS,
    ),
    property(
        "Applied In Order",
        "a server applies each entry after the one before it",
        "§5.3",
        GUESTS,
    ),
    property(
        "Assertion",
        "no server, client or part of the world panics",
        "the code's own assertions",
        ALL,
    ),
    property(
        "Availability",
        "once a healed cluster is due to be alive, somebody is served of those who ask, or have waited since before; no server stops by itself whose disk is sound",
        "the purpose of it all",
        ALL,
    ),
    property(
        "Bounded Log",
        "a leader takes no commands beyond its bound of bytes that are not committed; behind a snapshot no more entries stay than are to be retained",
        "§7; the settings",
        OURS,
    ),
    property(
        "Bounded Traffic",
        "no more than 5,000 messages are sent within a millisecond, in a world of 25 pairs of a server and a client; more in proportion",
        "no answers that breed answers",
        ALL,
    ),
    property(
        "Bounded Windows",
        "a message of entries is no larger, and no more is under way to a follower, than the settings say",
        "the settings",
        OURS,
    ),
    property(
        "Bounded Work",
        "no more than 20,000 steps are taken within a millisecond, in such a world",
        "no timer that fires at once, for ever",
        ALL,
    ),
    property(
        "Commit Monotonicity",
        "no server's commit index falls while it lives",
        "Figure 2",
        ALL,
    ),
    property(
        "Committed By A Majority",
        "what a leader takes for committed is on the disks of deciding majorities",
        "§5.3, §6",
        OURS,
    ),
    property(
        "Committed Entries Stay",
        "no entry that is committed is cut from a log that has it",
        "§5.4",
        OURS,
    ),
    property(
        "Conformance",
        "each step of a server, and of its state machine, is one that the specification allows",
        "the specification (`model`)",
        OURS,
    ),
    property(
        "Convergence",
        "in the end every member has applied what was committed by then",
        "§5.3",
        ALL,
    ),
    property(
        "Durability",
        "after a crash a server stands where its disk was said to be, or at some first part of what was under way",
        "Figure 2: persistent state",
        OURS,
    ),
    property(
        "Elected By A Majority",
        "the votes for a leader are on the disks of deciding majorities",
        "§5.2, §6",
        OURS,
    ),
    property(
        "Election Safety",
        "a term has one leader",
        "§5.2, Figure 3",
        ALL,
    ),
    property(
        "Exactly Once",
        "a request that arrives again is answered as the first time",
        "§8; dissertation §6.3",
        ALL,
    ),
    property(
        "Joint Consensus",
        "voters change by way of a phase in which the old ones have a say",
        "§6",
        OURS,
    ),
    property(
        "Leader Append-Only",
        "a leader neither changes nor loses entries of its log",
        "§5.3, Figure 3",
        OURS,
    ),
    property(
        "Leader Completeness",
        "a leader has every entry that was committed in earlier terms",
        "§5.4, Figure 3",
        ALL,
    ),
    property(
        "Leader Stickiness",
        "whoever heard its leader within the least election timeout takes up no other's election",
        "§6; dissertation §4.2.3",
        OURS,
    ),
    property(
        "Linearizability",
        "there is an order of all that clients asked that explains all that they were told; for transactions, a serial one in real time",
        "Herlihy and Wing 1990; §8",
        ALL,
    ),
    property(
        "Liveness",
        "a healed cluster commits within the time that the scenario gives it, or has a leader if nobody asks for anything",
        "§5.6",
        ALL,
    ),
    property(
        "Log Matching",
        "entries of one index and term are the same, and follow entries of the same term",
        "§5.3, Figure 3",
        OURS,
    ),
    property(
        "Matches Are Durable",
        "what a leader holds a follower to have is on the follower's disk",
        "Figure 2",
        OURS,
    ),
    property(
        "One Change At A Time",
        "a leader begins a change once the one before it, and something of its own term, is committed",
        "§6; Ongaro 2015",
        OURS,
    ),
    property(
        "One Vote A Term",
        "a vote lasts as long as its term",
        "§5.2",
        ALL,
    ),
    property(
        "Only Its Own Term's Entries",
        "a leader commits by counting only what is of its own term",
        "§5.4.2",
        OURS,
    ),
    property(
        "Only Voters Stand",
        "nobody stands for election that no membership names a voter",
        "§6",
        OURS,
    ),
    property(
        "Progress Only Grows",
        "what a leader knows a follower to have never gets less, and what it sends next lies behind it",
        "Figure 2",
        OURS,
    ),
    property(
        "Promises Are Durable",
        "what a message promises is on its sender's disk when it leaves",
        "Figure 2",
        OURS,
    ),
    property(
        "Read Index",
        "no read is served as of what is not committed",
        "§8; dissertation §6.4",
        OURS,
    ),
    property(
        "Reads Are Confirmed",
        "a read without a lease is served once a majority followed its leader after it was asked for",
        "§8; dissertation §6.4",
        OURS,
    ),
    property(
        "Reads See What Was Committed",
        "a read sees all that was committed when it was asked for",
        "§8",
        OURS,
    ),
    property(
        "Snapshot Safety",
        "a snapshot is of what is committed, with the membership as of its last entry, and the same on every server",
        "§7",
        OURS,
    ),
    property(
        "Snapshots Are Taken",
        "a server that is due for a snapshot has it before it has applied more entries in 50 milliseconds",
        "§7; the settings",
        OURS,
    ),
    property(
        "State Machine Safety",
        "no two servers apply different entries at one index, none skips or repeats one, and no snapshot takes a state machine back",
        "§5.4.3, Figure 3",
        ALL,
    ),
    property("Term Monotonicity", "no server's term falls", "§5.1", ALL),
    property(
        "Terms Have A Cause",
        "a server's term rises because it stands, or because a message of that term made it follow",
        "§5.1, §5.2",
        OURS,
    ),
    property(
        "Votes For Up-To-Date Logs",
        "a vote is for a candidate whose log is at least as up to date",
        "§5.4.1",
        OURS,
    ),
];

/// Whether a property is on the list.
pub(super) fn is_known(name: &str) -> bool {
    PROPERTIES.iter().any(|property| property.name == name)
}
