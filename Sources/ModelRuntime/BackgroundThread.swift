internal import CProcess

/// Threads whose work nobody waits for.
package enum BackgroundThread {
    /// Makes the calling thread give way to others on processor and disk, for good; threads that it starts too.
    package static func giveWay(niceness: Int32) { martlet_give_way(niceness) }
}
