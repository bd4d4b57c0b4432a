/// Something that one worker owns for one snapshot. Made, used and released on that worker's thread.
protocol WorkerResource: AnyObject {
    /// What policies see of it: a pointer that stays valid as long as the object.
    var handle: UnsafeMutableRawPointer { get }
}
