-- Users' events and purchases: appended, never changed, and deleted by whole months.

CREATE TABLE user_event (
    workspace_id int4 NOT NULL,
    user_number int4 NOT NULL,
    name text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    version int8 NOT NULL,
    place int4 NOT NULL,
    properties jsonb,
    CONSTRAINT user_event_pkey PRIMARY KEY (workspace_id, user_number, name, occurred_at, version, place),
    CONSTRAINT user_event_number_not_negative CHECK (user_number >= 0),
    CONSTRAINT user_event_name_length CHECK (octet_length(name) BETWEEN 1 AND 1024)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE user_event IS
    'What users did. No foreign key to the user, which would be looked up for every row: who appends holds the identity row, who erases or merges a user takes her events along.';
COMMENT ON COLUMN user_event.version IS 'Of the head of events when it was appended; with place, its place in that batch, it tells two alike apart.';
CREATE INDEX user_event_by_name ON user_event (workspace_id, name, occurred_at) INCLUDE (user_number);

CREATE TABLE user_purchase (
    workspace_id int4 NOT NULL,
    user_number int4 NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    version int8 NOT NULL,
    place int4 NOT NULL,
    currency text COLLATE "C" NOT NULL,
    quantity int4 NOT NULL,
    amount_millionths int8 NOT NULL,
    properties jsonb,
    CONSTRAINT user_purchase_pkey PRIMARY KEY (workspace_id, user_number, product_id, occurred_at, version, place)
        INCLUDE (currency, amount_millionths),
    CONSTRAINT user_purchase_number_not_negative CHECK (user_number >= 0),
    CONSTRAINT user_purchase_product_length CHECK (octet_length(product_id) BETWEEN 1 AND 1024),
    CONSTRAINT user_purchase_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT user_purchase_quantity_positive CHECK (quantity > 0)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE user_purchase IS 'What users bought, a row a product; otherwise as user_event.';
COMMENT ON COLUMN user_purchase.amount_millionths IS
    'Price times quantity in millionths of the currency''s unit: sums of whole numbers are exact, in whatever order.';
CREATE INDEX user_purchase_by_product ON user_purchase (workspace_id, product_id, occurred_at)
    INCLUDE (user_number, currency, amount_millionths);

-- Partitions have row-level security too, and no grants: the server's role reaches their rows only through the parent.
CREATE FUNCTION wall_event_partition(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('CREATE POLICY owner_sees_all ON %I TO CURRENT_USER USING (true)', partition);
END
$$;

-- Makes the partition of one month, unless it exists or the partition of all earlier times includes that month. It
-- creates a separate table and then attaches it. That blocks no readers or writers of other partitions, except for a
-- moment those of the default partition, whose rows of this month move. They are few, because months are made ahead.
CREATE FUNCTION add_event_month(parent text, month timestamp) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    partition text := parent || '_' || to_char(month, 'YYYYMM');
    rest text := parent || '_rest';
    begins timestamptz := month AT TIME ZONE 'UTC';
    ends timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Another server may do the same: this lock admits one at a time and conflicts with neither reads nor writes.
    EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    IF to_regclass(quote_ident(partition)) IS NOT NULL OR EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent::regclass AND c.relname LIKE '%\_before\_%' AND right(c.relname, 6) > to_char(month, 'YYYYMM')
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    PERFORM wall_event_partition(partition);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE occurred_at >= %L AND occurred_at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
        rest, begins, ends, partition);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, begins, ends);
    RETURN true;
END
$$;

-- Called by the server's maintenance, whose role owns nothing and so can't create tables. Makes the month of a time and
-- the next two.
CREATE FUNCTION add_event_months(moment timestamptz) RETURNS int4 LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $$
DECLARE
    month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    parent text;
    made int4 := 0;
BEGIN
    IF moment IS NULL OR moment < now() - interval '1 year' OR moment > now() + interval '1 year' THEN
        RAISE 'months are made around now only' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOREACH parent IN ARRAY ARRAY['user_event', 'user_purchase'] LOOP
        FOR ahead IN 0..2 LOOP
            IF add_event_month(parent, month + make_interval(months => ahead)) THEN
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the months that end before a time. Raises the heads first: it keeps the order of locks and invalidates earlier
-- scans.
CREATE FUNCTION drop_event_months(before timestamptz, new_tag int8) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $$
DECLARE
    expired text;
    dropped int4 := 0;
BEGIN
    IF before IS NULL OR new_tag IS NULL OR before > now() - interval '1 day' THEN
        RAISE 'only months that are over can be dropped' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM expired_event_months(before)) THEN
        RETURN 0;
    END IF;
    PERFORM FROM set_head WHERE kind = 'events' ORDER BY workspace_id FOR NO KEY UPDATE;
    UPDATE set_head SET version = version + 1, tag = new_tag WHERE kind = 'events';
    FOR expired IN SELECT relname FROM expired_event_months(before) LOOP
        EXECUTE format('DROP TABLE %I', expired);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

CREATE FUNCTION expired_event_months(before timestamptz) RETURNS TABLE (relname name) LANGUAGE sql AS $$
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('user_event'::regclass, 'user_purchase'::regclass) AND c.relname ~ '^user_(event|purchase)_[0-9]{6}$'
        AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' <= before
    ORDER BY c.relname
$$;

-- One partition for all times before this month, so that the default one stays empty: attaching a month scans all of
-- it.
DO $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    earlier text;
    parent text;
    definer text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['user_event', 'user_purchase'] LOOP
        earlier := parent || '_before_' || to_char(month, 'YYYYMM');
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', parent || '_rest', parent);
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L)', earlier, parent, month AT TIME ZONE 'UTC');
        PERFORM wall_event_partition(parent || '_rest');
        PERFORM wall_event_partition(earlier);
    END LOOP;
    -- Prevents callers from substituting tables or operators of their own.
    FOREACH definer IN ARRAY ARRAY['add_event_months(timestamptz)', 'drop_event_months(timestamptz, int8)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definer, current_schema());
    END LOOP;
    REVOKE ALL ON FUNCTION wall_event_partition, add_event_month, add_event_months, drop_event_months, expired_event_months
        FROM PUBLIC;
    PERFORM add_event_months(now());
END
$$;
