/// How a process takes over the listening sockets of the one that it replaces, without a refused or reset connection.
///
/// To open sockets of its own beside the old ones (SO_REUSEPORT) would not do: connections that the kernel has put into an old
/// socket's queue, or is putting there at this moment, are reset when it is closed. So the sockets themselves are passed on
/// (SCM_RIGHTS). Both processes hold them for a while, and what waits in a queue is served by whichever comes first.
///
/// One message each, in this order; what is missing, late or not understood ends the attempt, and the old process serves on:
///
///     new: sluice-takeover 1
///     old: sockets OOHO          with a descriptor for each letter; H: held by a service manager too, O: not
///     old: replays 1f20...       with the memory of the signatures that were accepted with one secret; the name is a digest
///     old: end                   after as many of those as it takes
///     new: ready 1f 20 2a        serving, with the identities of the sockets that it uses
///     old: draining
enum TakeOver {
    static let greeting = "sluice-takeover 1"
    /// Within this time the new process has to serve.
    static let startMilliseconds = 60_000
    static let answerMilliseconds = 10_000

    /// The attempt has failed, and the old process, if there is one, serves on.
    struct Failure: Error {
        let message: String
    }
}
