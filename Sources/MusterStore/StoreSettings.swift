public import Postgres

extension DatabaseSettings {
    /// Settings of connections that a store works over.
    ///
    /// Every statement of the store finds its rows by an index, however many identifiers it is given. The planner
    /// doesn't know that: it would hash all users for an array of 5,000 identifiers (measured: 380 ms against 60 at
    /// 300,000 users). Worse, while it takes a table that was just filled for a small one, it would go through the
    /// whole of it for each identifier (measured: 4.3 s for 5,000 identifiers against 5,000 users). So every other way
    /// is closed to it, and a plan is made once.
    public static func store(connectionString: String) -> DatabaseSettings {
        var settings = DatabaseSettings(connectionString: connectionString)
        // A caller with ten seconds should hear UNAVAILABLE soon, and not at their end; a restart of PostgreSQL often
        // takes less than this.
        settings.outagePatienceMilliseconds = 2_000
        settings.sessionSettings = [
            "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
            "enable_mergejoin": "off", "enable_bitmapscan": "off", "enable_material": "off", "jit": "off",
            // A look names a scan that it mostly doesn't make; nobody should start workers for it.
            "max_parallel_workers_per_gather": "0",
            // Months of events are made with times written as text, and in other styles than ISO's IST is Israel's time
            // and India's.
            "datestyle": "ISO, YMD", "timezone": "UTC",
        ]
        return settings
    }
}
