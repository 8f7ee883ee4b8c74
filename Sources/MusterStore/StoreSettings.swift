public import Postgres

extension DatabaseSettings {
    /// The settings of a store's connections.
    ///
    /// Every statement of the store finds its rows by an index, for any number of identifiers. The planner doesn't know
    /// that: it would hash all users for an array of 5,000 identifiers (measured: 380 ms against 60 at 300,000 users).
    /// Worse, while it believes that a table just filled is small, it would scan the whole table for each identifier
    /// (measured: 4.3 s for 5,000 identifiers against 5,000 users). So all other plans are disabled, and each statement
    /// is planned once.
    public static func store(connectionString: String) -> DatabaseSettings {
        var settings = DatabaseSettings(connectionString: connectionString)
        // A caller with a deadline of ten seconds should get UNAVAILABLE early, not at the deadline; PostgreSQL often
        // restarts in less time than this.
        settings.outagePatienceMilliseconds = 2_000
        settings.sessionSettings = [
            "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
            "enable_mergejoin": "off", "enable_bitmapscan": "off", "enable_material": "off", "jit": "off",
            // A read contains a scan that it rarely executes; it should not start parallel workers.
            "max_parallel_workers_per_gather": "0",
            // Partition bounds of events are written as text; in date styles other than ISO, IST means both Israel's
            // time and India's.
            "datestyle": "ISO, YMD", "timezone": "UTC",
        ]
        return settings
    }
}
