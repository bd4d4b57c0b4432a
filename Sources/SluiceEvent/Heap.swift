import CLibevent

/// The C library's heap.
package enum Heap {
    /// Returns pages to the system that hold nothing but freed memory. Walks the whole heap: for now and then, after much was freed.
    package static func trim() { sluice_trim_heap() }
}
