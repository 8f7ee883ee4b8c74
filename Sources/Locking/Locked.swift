package import Glibc

/// A value protected by a pthread mutex. Unlike with `Synchronization.Mutex`, the thread sanitizer recognizes it, and a
/// thread can wait for the value to change.
///
/// `@unchecked Sendable`: `value` is only accessed while the mutex is locked.
package final class Locked<Value: ~Copyable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: consuming sending Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    package func withLock<R>(_ body: (inout Value) throws -> sending R) rethrows -> sending R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Calls `look` with the value, now and after each `signal`, until it returns a result.
    ///
    /// `look` returns before the thread sleeps, so that no access to the value is open while others change it.
    package func wait<R>(for signal: Signal, _ look: (inout Value) -> Look<R>) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            switch look(&value) {
            case .found(let result): return result
            case .again(let time): signal.sleep(mutex, until: time)
            }
        }
    }
}

/// The result of one call of `look`.
package enum Look<R> {
    case found(R)
    /// Call again at the next signal, or at this time of the monotonic clock at the latest.
    case again(by: timespec?)
}

/// Wakes threads that wait for a `Locked` value.
///
/// `@unchecked Sendable`: a pthread condition is made for use by several threads.
package final class Signal: @unchecked Sendable {
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
    }

    package func wakeOne() { pthread_cond_signal(condition) }

    package func wakeAll() { pthread_cond_broadcast(condition) }

    fileprivate func sleep(_ mutex: UnsafeMutablePointer<pthread_mutex_t>, until time: timespec?) {
        guard var time else {
            pthread_cond_wait(condition, mutex)
            return
        }
        pthread_cond_timedwait(condition, mutex, &time)
    }
}
