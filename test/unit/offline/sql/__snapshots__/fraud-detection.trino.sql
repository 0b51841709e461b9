WITH "user_transactions@1 events" AS (
  SELECT "user_id key", "event time", "arrived at", "event id", "amount", "amount units", "merchant_id"
  FROM (
    SELECT "distinct".*, max("event time") OVER (PARTITION BY "user_id key" ORDER BY "arrived at", "event time", "event id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "newest before"
    FROM (
      SELECT *
      FROM (
        SELECT
          CAST("user_id" AS VARCHAR) AS "user_id key",
          CAST("timestamp" AS BIGINT) AS "event time",
          CAST("arrived_at" AS BIGINT) AS "arrived at",
          CAST("transaction_id" AS VARCHAR) AS "event id",
          round(CAST("amount" AS DOUBLE) * 1E2) / 1E2 + 0E0 AS "amount",
          CAST(round(CAST("amount" AS DOUBLE) * 1E2) AS DECIMAL(18, 0)) AS "amount units",
          CAST("merchant_id" AS VARCHAR) AS "merchant_id",
          row_number() OVER (PARTITION BY CAST("transaction_id" AS VARCHAR) ORDER BY "arrived_at", "timestamp") AS "delivery"
        FROM "transactions" AS "history"
      ) AS "deliveries"
      WHERE "delivery" = 1 AND "user_id key" IS NOT NULL AND "user_id key" <> ''
    ) AS "distinct"
  ) AS "events"
  WHERE "newest before" IS NULL OR "event time" >= "newest before" - 5000
),
"merchant_risk@1 events" AS (
  SELECT "merchant_id key", "event time", "arrived at", "is_fraud", "is_fraud units"
  FROM (
    SELECT "distinct".*, max("event time") OVER (PARTITION BY "merchant_id key" ORDER BY "arrived at", "event time", "event id" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "newest before"
    FROM (
      SELECT *
      FROM (
        SELECT
          CAST("merchant_id" AS VARCHAR) AS "merchant_id key",
          CAST("labelled_at" AS BIGINT) AS "event time",
          CAST("arrived_at" AS BIGINT) AS "arrived at",
          CAST("label_id" AS VARCHAR) AS "event id",
          CAST("is_fraud" AS DOUBLE) + 0E0 AS "is_fraud",
          CAST(round(CAST("is_fraud" AS DOUBLE) * 1E0) AS DECIMAL(18, 0)) AS "is_fraud units",
          row_number() OVER (PARTITION BY CAST("label_id" AS VARCHAR) ORDER BY "arrived_at", "labelled_at") AS "delivery"
        FROM "labels" AS "history"
      ) AS "deliveries"
      WHERE "delivery" = 1 AND "merchant_id key" IS NOT NULL AND "merchant_id key" <> ''
    ) AS "distinct"
  ) AS "events"
  WHERE "newest before" IS NULL OR "event time" >= "newest before" - 3600000
),
"user_transactions@1 timeline" AS (
  SELECT
    CAST(NULL AS BIGINT) AS "row number",
    "event"."user_id key" AS "user_id key",
    greatest("event"."event time", "event"."arrived at") AS "position",
    CAST(NULL AS BIGINT) AS "window end",
    CAST(NULL AS BIGINT) AS "known at",
    greatest("event"."event time", "event"."arrived at") AS "start of 1min",
    greatest("event"."event time", "event"."arrived at") AS "start of 5min",
    greatest("event"."event time", "event"."arrived at") AS "start of 1h",
    greatest("event"."event time", "event"."arrived at") AS "start of 24h",
    greatest("event"."event time", "event"."arrived at") AS "start of 7d",
    "event"."event time" AS "event time",
    "event"."arrived at" AS "arrived at",
    "event"."amount" AS "amount",
    "event"."amount units" AS "amount units",
    "event"."merchant_id" AS "merchant_id"
  FROM "user_transactions@1 events" AS "event"
  UNION ALL
  SELECT
    "spine"."row number" AS "row number",
    "spine"."user_id key" AS "user_id key",
    greatest("spine"."window end", "spine"."known at") AS "position",
    "spine"."window end" AS "window end",
    "spine"."known at" AS "known at",
    "spine"."window end" - (("spine"."window end" % 1000) + 1000) % 1000 - 59000 AS "start of 1min",
    "spine"."window end" - (("spine"."window end" % 5000) + 5000) % 5000 - 295000 AS "start of 5min",
    "spine"."window end" - (("spine"."window end" % 60000) + 60000) % 60000 - 3540000 AS "start of 1h",
    "spine"."window end" - (("spine"."window end" % 1200000) + 1200000) % 1200000 - 85200000 AS "start of 24h",
    "spine"."window end" - (("spine"."window end" % 7200000) + 7200000) % 7200000 - 597600000 AS "start of 7d",
    CAST(NULL AS BIGINT) AS "event time",
    CAST(NULL AS BIGINT) AS "arrived at",
    CAST(NULL AS DOUBLE) AS "amount",
    CAST(NULL AS DECIMAL(18, 0)) AS "amount units",
    CAST(NULL AS VARCHAR) AS "merchant_id"
  FROM (
    SELECT
      CAST("row" AS BIGINT) AS "row number",
      CAST("user_id" AS VARCHAR) AS "user_id key",
      CAST("timestamp" AS BIGINT) AS "window end",
      CAST("timestamp" AS BIGINT) AS "known at"
    FROM "spine" AS "spine"
  ) AS "spine"
),
"user_transactions@1 frames" AS (
  SELECT
    "row number",
    "user_id key",
    "window end",
    "known at",
    "start of 1min",
    "start of 5min",
    "start of 1h",
    "start of 24h",
    "start of 7d",
    coalesce(max("arrived at") OVER "frame of all" <= "known at", TRUE) AND coalesce(max("event time") OVER "frame of all" <= "window end", TRUE) AND coalesce(min("event time") OVER "frame of 1min" >= "start of 1min", TRUE) AND coalesce(min("event time") OVER "frame of 5min" >= "start of 5min", TRUE) AND coalesce(min("event time") OVER "frame of 1h" >= "start of 1h", TRUE) AND coalesce(min("event time") OVER "frame of 24h" >= "start of 24h", TRUE) AND coalesce(min("event time") OVER "frame of 7d" >= "start of 7d", TRUE) AS "is exact",
    CAST(count("event"."event time") OVER "frame of 1min" AS DOUBLE) AS "tx_count_1min",
    coalesce(CAST(CAST(sum("event"."amount units") OVER "frame of 1min" AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) AS "total_amount_1min",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 1min" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 1min" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_1min",
    max("event"."amount") OVER "frame of 1min" AS "max_amount_1min",
    CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") OVER "frame of 1min", it -> it IS NOT NULL))), 0) AS DOUBLE) AS "distinct_merchants_1min",
    CAST(count("event"."event time") OVER "frame of 5min" AS DOUBLE) AS "tx_count_5min",
    coalesce(CAST(CAST(sum("event"."amount units") OVER "frame of 5min" AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) AS "total_amount_5min",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 5min" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 5min" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_5min",
    max("event"."amount") OVER "frame of 5min" AS "max_amount_5min",
    CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") OVER "frame of 5min", it -> it IS NOT NULL))), 0) AS DOUBLE) AS "distinct_merchants_5min",
    CAST(count("event"."event time") OVER "frame of 1h" AS DOUBLE) AS "tx_count_1h",
    coalesce(CAST(CAST(sum("event"."amount units") OVER "frame of 1h" AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) AS "total_amount_1h",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 1h" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 1h" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_1h",
    max("event"."amount") OVER "frame of 1h" AS "max_amount_1h",
    CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") OVER "frame of 1h", it -> it IS NOT NULL))), 0) AS DOUBLE) AS "distinct_merchants_1h",
    CAST(count("event"."event time") OVER "frame of 24h" AS DOUBLE) AS "tx_count_24h",
    coalesce(CAST(CAST(sum("event"."amount units") OVER "frame of 24h" AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) AS "total_amount_24h",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 24h" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 24h" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_24h",
    max("event"."amount") OVER "frame of 24h" AS "max_amount_24h",
    CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") OVER "frame of 24h", it -> it IS NOT NULL))), 0) AS DOUBLE) AS "distinct_merchants_24h",
    CAST(count("event"."event time") OVER "frame of 7d" AS DOUBLE) AS "tx_count_7d",
    coalesce(CAST(CAST(sum("event"."amount units") OVER "frame of 7d" AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) AS "total_amount_7d",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_7d",
    max("event"."amount") OVER "frame of 7d" AS "max_amount_7d",
    CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") OVER "frame of 7d", it -> it IS NOT NULL))), 0) AS DOUBLE) AS "distinct_merchants_7d"
  FROM "user_transactions@1 timeline" AS "event"
  WINDOW
    "frame of 1min" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 1min" PRECEDING AND CURRENT ROW),
    "frame of 5min" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 5min" PRECEDING AND CURRENT ROW),
    "frame of 1h" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 1h" PRECEDING AND CURRENT ROW),
    "frame of 24h" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 24h" PRECEDING AND CURRENT ROW),
    "frame of 7d" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 7d" PRECEDING AND CURRENT ROW),
    "frame of all" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - least("start of 1min", "start of 5min", "start of 1h", "start of 24h", "start of 7d") PRECEDING AND CURRENT ROW)
),
"user_transactions@1 features" AS (
  SELECT
    "frame"."row number",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."tx_count_1min") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS DOUBLE) END AS "tx_count_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."total_amount_1min") ELSE coalesce(CAST(CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) END AS "total_amount_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_1min") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."max_amount_1min") ELSE max("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") END AS "max_amount_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."distinct_merchants_1min") ELSE CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") FILTER (WHERE "event"."event time" >= "frame"."start of 1min"), it -> it IS NOT NULL))), 0) AS DOUBLE) END AS "distinct_merchants_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."tx_count_5min") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS DOUBLE) END AS "tx_count_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."total_amount_5min") ELSE coalesce(CAST(CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) END AS "total_amount_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_5min") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."max_amount_5min") ELSE max("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") END AS "max_amount_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."distinct_merchants_5min") ELSE CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") FILTER (WHERE "event"."event time" >= "frame"."start of 5min"), it -> it IS NOT NULL))), 0) AS DOUBLE) END AS "distinct_merchants_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."tx_count_1h") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS DOUBLE) END AS "tx_count_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."total_amount_1h") ELSE coalesce(CAST(CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) END AS "total_amount_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_1h") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."max_amount_1h") ELSE max("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") END AS "max_amount_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."distinct_merchants_1h") ELSE CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") FILTER (WHERE "event"."event time" >= "frame"."start of 1h"), it -> it IS NOT NULL))), 0) AS DOUBLE) END AS "distinct_merchants_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."tx_count_24h") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS DOUBLE) END AS "tx_count_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."total_amount_24h") ELSE coalesce(CAST(CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) END AS "total_amount_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_24h") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."max_amount_24h") ELSE max("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") END AS "max_amount_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."distinct_merchants_24h") ELSE CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") FILTER (WHERE "event"."event time" >= "frame"."start of 24h"), it -> it IS NOT NULL))), 0) AS DOUBLE) END AS "distinct_merchants_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."tx_count_7d") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DOUBLE) END AS "tx_count_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."total_amount_7d") ELSE coalesce(CAST(CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS VARCHAR) || 'e-2' AS DOUBLE), 0E0) END AS "total_amount_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_7d") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."max_amount_7d") ELSE max("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") END AS "max_amount_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."distinct_merchants_7d") ELSE CAST(coalesce(cardinality(array_distinct(filter(array_agg("event"."merchant_id") FILTER (WHERE "event"."event time" >= "frame"."start of 7d"), it -> it IS NOT NULL))), 0) AS DOUBLE) END AS "distinct_merchants_7d"
  FROM "user_transactions@1 frames" AS "frame"
  LEFT JOIN "user_transactions@1 events" AS "event"
    ON CASE WHEN NOT "frame"."is exact" THEN "frame"."user_id key" END = "event"."user_id key"
    AND "event"."event time" >= least("frame"."start of 1min", "frame"."start of 5min", "frame"."start of 1h", "frame"."start of 24h", "frame"."start of 7d")
    AND "event"."event time" <= "frame"."window end"
    AND "event"."arrived at" <= "frame"."known at"
  WHERE "frame"."row number" IS NOT NULL
  GROUP BY "frame"."row number", "frame"."is exact"
),
"user_transactions@1 before timeline" AS (
  SELECT
    CAST(NULL AS BIGINT) AS "row number",
    "event"."user_id key" AS "user_id key",
    greatest("event"."event time", "event"."arrived at") AS "position",
    CAST(NULL AS BIGINT) AS "window end",
    CAST(NULL AS BIGINT) AS "known at",
    CAST(NULL AS VARCHAR) AS "left out",
    greatest("event"."event time", "event"."arrived at") AS "start of 1min",
    greatest("event"."event time", "event"."arrived at") AS "start of 5min",
    greatest("event"."event time", "event"."arrived at") AS "start of 1h",
    greatest("event"."event time", "event"."arrived at") AS "start of 24h",
    greatest("event"."event time", "event"."arrived at") AS "start of 7d",
    "event"."event time" AS "event time",
    "event"."arrived at" AS "arrived at",
    "event"."amount" AS "amount",
    "event"."amount units" AS "amount units",
    "event"."merchant_id" AS "merchant_id"
  FROM "user_transactions@1 events" AS "event"
  UNION ALL
  SELECT
    "spine"."row number" AS "row number",
    "spine"."user_id key" AS "user_id key",
    greatest("spine"."window end", "spine"."known at") AS "position",
    "spine"."window end" AS "window end",
    "spine"."known at" AS "known at",
    "spine"."left out" AS "left out",
    "spine"."window end" - (("spine"."window end" % 1000) + 1000) % 1000 - 59000 AS "start of 1min",
    "spine"."window end" - (("spine"."window end" % 5000) + 5000) % 5000 - 295000 AS "start of 5min",
    "spine"."window end" - (("spine"."window end" % 60000) + 60000) % 60000 - 3540000 AS "start of 1h",
    "spine"."window end" - (("spine"."window end" % 1200000) + 1200000) % 1200000 - 85200000 AS "start of 24h",
    "spine"."window end" - (("spine"."window end" % 7200000) + 7200000) % 7200000 - 597600000 AS "start of 7d",
    CAST(NULL AS BIGINT) AS "event time",
    CAST(NULL AS BIGINT) AS "arrived at",
    CAST(NULL AS DOUBLE) AS "amount",
    CAST(NULL AS DECIMAL(18, 0)) AS "amount units",
    CAST(NULL AS VARCHAR) AS "merchant_id"
  FROM (
    SELECT "spine".*, CASE WHEN "event"."event time" >= least("spine"."window end" - (("spine"."window end" % 1000) + 1000) % 1000 - 59000, "spine"."window end" - (("spine"."window end" % 5000) + 5000) % 5000 - 295000, "spine"."window end" - (("spine"."window end" % 60000) + 60000) % 60000 - 3540000, "spine"."window end" - (("spine"."window end" % 1200000) + 1200000) % 1200000 - 85200000, "spine"."window end" - (("spine"."window end" % 7200000) + 7200000) % 7200000 - 597600000) AND "event"."event time" <= "spine"."window end" AND "event"."arrived at" <= "spine"."known at" THEN "event"."event id" END AS "left out"
    FROM (
      SELECT
        CAST("row" AS BIGINT) AS "row number",
        CAST("user_id" AS VARCHAR) AS "user_id key",
        CAST("timestamp" AS BIGINT) AS "window end",
        CAST("timestamp" AS BIGINT) AS "known at",
        CAST("transaction_id" AS VARCHAR) AS "named"
      FROM "spine" AS "spine"
    ) AS "spine"
    LEFT JOIN "user_transactions@1 events" AS "event"
      ON "spine"."user_id key" = "event"."user_id key"
      AND "spine"."named" = "event"."event id"
  ) AS "spine"
),
"user_transactions@1 before frames" AS (
  SELECT
    "row number",
    "user_id key",
    "window end",
    "known at",
    "left out",
    "start of 1min",
    "start of 5min",
    "start of 1h",
    "start of 24h",
    "start of 7d",
    "left out" IS NULL AND coalesce(max("arrived at") OVER "frame of all" <= "known at", TRUE) AND coalesce(max("event time") OVER "frame of all" <= "window end", TRUE) AND coalesce(min("event time") OVER "frame of 1min" >= "start of 1min", TRUE) AND coalesce(min("event time") OVER "frame of 5min" >= "start of 5min", TRUE) AND coalesce(min("event time") OVER "frame of 1h" >= "start of 1h", TRUE) AND coalesce(min("event time") OVER "frame of 24h" >= "start of 24h", TRUE) AND coalesce(min("event time") OVER "frame of 7d" >= "start of 7d", TRUE) AS "is exact",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 1min" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 1min" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_before_1min",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 5min" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 5min" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_before_5min",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 1h" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 1h" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_before_1h",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 24h" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 24h" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_before_24h",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST(count("event"."amount") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) AS "avg_amount_before_7d"
  FROM "user_transactions@1 before timeline" AS "event"
  WINDOW
    "frame of 1min" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 1min" PRECEDING AND CURRENT ROW),
    "frame of 5min" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 5min" PRECEDING AND CURRENT ROW),
    "frame of 1h" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 1h" PRECEDING AND CURRENT ROW),
    "frame of 24h" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 24h" PRECEDING AND CURRENT ROW),
    "frame of 7d" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 7d" PRECEDING AND CURRENT ROW),
    "frame of all" AS (PARTITION BY "user_id key" ORDER BY "position" RANGE BETWEEN "position" - least("start of 1min", "start of 5min", "start of 1h", "start of 24h", "start of 7d") PRECEDING AND CURRENT ROW)
),
"user_transactions@1 before features" AS (
  SELECT
    "frame"."row number",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_before_1min") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1min") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_before_1min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_before_5min") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 5min") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_before_5min",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_before_1h") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 1h") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_before_1h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_before_24h") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 24h") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_before_24h",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."avg_amount_before_7d") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."amount units") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST(count("event"."amount") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 360287970189639 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E2) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-2' AS DOUBLE) END), 1) END AS "avg_amount_before_7d"
  FROM "user_transactions@1 before frames" AS "frame"
  LEFT JOIN "user_transactions@1 events" AS "event"
    ON CASE WHEN NOT "frame"."is exact" THEN "frame"."user_id key" END = "event"."user_id key"
    AND "event"."event time" >= least("frame"."start of 1min", "frame"."start of 5min", "frame"."start of 1h", "frame"."start of 24h", "frame"."start of 7d")
    AND "event"."event time" <= "frame"."window end"
    AND "event"."arrived at" <= "frame"."known at"
    AND "event"."event id" IS DISTINCT FROM "frame"."left out"
  WHERE "frame"."row number" IS NOT NULL
  GROUP BY "frame"."row number", "frame"."is exact"
),
"merchant_risk@1 86400000 ms earlier timeline" AS (
  SELECT
    CAST(NULL AS BIGINT) AS "row number",
    "event"."merchant_id key" AS "merchant_id key",
    "event"."event time" AS "position",
    CAST(NULL AS BIGINT) AS "window end",
    CAST(NULL AS BIGINT) AS "known at",
    "event"."event time" AS "start of 7d",
    "event"."event time" AS "start of 30d",
    "event"."event time" AS "event time",
    "event"."arrived at" AS "arrived at",
    "event"."is_fraud" AS "is_fraud",
    "event"."is_fraud units" AS "is_fraud units"
  FROM "merchant_risk@1 events" AS "event"
  UNION ALL
  SELECT
    "spine"."row number" AS "row number",
    "spine"."merchant_id key" AS "merchant_id key",
    "spine"."window end" AS "position",
    "spine"."window end" AS "window end",
    "spine"."known at" AS "known at",
    "spine"."window end" - (("spine"."window end" % 3600000) + 3600000) % 3600000 - 601200000 AS "start of 7d",
    "spine"."window end" - (("spine"."window end" % 3600000) + 3600000) % 3600000 - 2588400000 AS "start of 30d",
    CAST(NULL AS BIGINT) AS "event time",
    CAST(NULL AS BIGINT) AS "arrived at",
    CAST(NULL AS DOUBLE) AS "is_fraud",
    CAST(NULL AS DECIMAL(18, 0)) AS "is_fraud units"
  FROM (
    SELECT
      CAST("row" AS BIGINT) AS "row number",
      CAST("merchant_id" AS VARCHAR) AS "merchant_id key",
      CAST("timestamp" AS BIGINT) - 86400000 AS "window end",
      CAST("timestamp" AS BIGINT) AS "known at"
    FROM "spine" AS "spine"
  ) AS "spine"
),
"merchant_risk@1 86400000 ms earlier frames" AS (
  SELECT
    "row number",
    "merchant_id key",
    "window end",
    "known at",
    "start of 7d",
    "start of 30d",
    coalesce(max("arrived at") OVER "frame of all" <= "known at", TRUE) AS "is exact",
    CAST(count("event"."event time") OVER "frame of 7d" AS DOUBLE) AS "label_count_7d",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."is_fraud units") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST(count("event"."is_fraud") OVER "frame of 7d" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 9007199254740992 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E0) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-0' AS DOUBLE) END), 1) AS "fraud_share_7d",
    CAST(count("event"."event time") OVER "frame of 30d" AS DOUBLE) AS "label_count_30d",
    element_at(transform(ARRAY[ARRAY[CAST(sum("event"."is_fraud units") OVER "frame of 30d" AS DECIMAL(38, 0)), CAST(count("event"."is_fraud") OVER "frame of 30d" AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 9007199254740992 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E0) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-0' AS DOUBLE) END), 1) AS "fraud_share_30d"
  FROM "merchant_risk@1 86400000 ms earlier timeline" AS "event"
  WINDOW
    "frame of 7d" AS (PARTITION BY "merchant_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 7d" PRECEDING AND CURRENT ROW),
    "frame of 30d" AS (PARTITION BY "merchant_id key" ORDER BY "position" RANGE BETWEEN "position" - "start of 30d" PRECEDING AND CURRENT ROW),
    "frame of all" AS (PARTITION BY "merchant_id key" ORDER BY "position" RANGE BETWEEN "position" - least("start of 7d", "start of 30d") PRECEDING AND CURRENT ROW)
),
"merchant_risk@1 86400000 ms earlier features" AS (
  SELECT
    "frame"."row number",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."label_count_7d") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DOUBLE) END AS "label_count_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."fraud_share_7d") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."is_fraud units") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST(count("event"."is_fraud") FILTER (WHERE "event"."event time" >= "frame"."start of 7d") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 9007199254740992 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E0) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-0' AS DOUBLE) END), 1) END AS "fraud_share_7d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."label_count_30d") ELSE CAST(count("event"."event time") FILTER (WHERE "event"."event time" >= "frame"."start of 30d") AS DOUBLE) END AS "label_count_30d",
    CASE WHEN "frame"."is exact" THEN arbitrary("frame"."fraud_share_30d") ELSE element_at(transform(ARRAY[ARRAY[CAST(sum("event"."is_fraud units") FILTER (WHERE "event"."event time" >= "frame"."start of 30d") AS DECIMAL(38, 0)), CAST(count("event"."is_fraud") FILTER (WHERE "event"."event time" >= "frame"."start of 30d") AS DECIMAL(38, 0)), CAST('10000000000000000000000000000' AS DECIMAL(38, 0))]], it -> CASE WHEN abs(it[1]) <= 9007199254740992 AND it[2] <= 9007199254740992 THEN CAST(it[1] AS DOUBLE) / (CAST(it[2] AS DOUBLE) * 1E0) ELSE CAST(CASE WHEN it[1] < 0 THEN '-' ELSE '' END || CAST((abs(it[1]) - abs(it[1]) % it[2]) / it[2] AS VARCHAR) || '.' || lpad(CAST((abs(it[1]) % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || lpad(CAST((abs(it[1]) % it[2] * it[3] % it[2] * it[3] - abs(it[1]) % it[2] * it[3] % it[2] * it[3] % it[2]) / it[2] AS VARCHAR), 28, '0') || 'e-0' AS DOUBLE) END), 1) END AS "fraud_share_30d"
  FROM "merchant_risk@1 86400000 ms earlier frames" AS "frame"
  LEFT JOIN "merchant_risk@1 events" AS "event"
    ON CASE WHEN NOT "frame"."is exact" THEN "frame"."merchant_id key" END = "event"."merchant_id key"
    AND "event"."event time" >= least("frame"."start of 7d", "frame"."start of 30d")
    AND "event"."event time" <= "frame"."window end"
    AND "event"."arrived at" <= "frame"."known at"
  WHERE "frame"."row number" IS NOT NULL
  GROUP BY "frame"."row number", "frame"."is exact"
)
SELECT
  "spine"."transaction_id",
  "spine"."user_id",
  "spine"."merchant_id",
  "spine"."timestamp",
  "spine"."amount",
  "spine"."is_fraud",
  "user_transactions@1 features"."tx_count_1min" AS "tx_count_1min",
  "user_transactions@1 features"."total_amount_1min" AS "total_amount_1min",
  "user_transactions@1 features"."avg_amount_1min" AS "avg_amount_1min",
  "user_transactions@1 before features"."avg_amount_before_1min" AS "avg_amount_before_1min",
  "user_transactions@1 features"."max_amount_1min" AS "max_amount_1min",
  "user_transactions@1 features"."distinct_merchants_1min" AS "distinct_merchants_1min",
  "user_transactions@1 features"."tx_count_5min" AS "tx_count_5min",
  "user_transactions@1 features"."total_amount_5min" AS "total_amount_5min",
  "user_transactions@1 features"."avg_amount_5min" AS "avg_amount_5min",
  "user_transactions@1 before features"."avg_amount_before_5min" AS "avg_amount_before_5min",
  "user_transactions@1 features"."max_amount_5min" AS "max_amount_5min",
  "user_transactions@1 features"."distinct_merchants_5min" AS "distinct_merchants_5min",
  "user_transactions@1 features"."tx_count_1h" AS "tx_count_1h",
  "user_transactions@1 features"."total_amount_1h" AS "total_amount_1h",
  "user_transactions@1 features"."avg_amount_1h" AS "avg_amount_1h",
  "user_transactions@1 before features"."avg_amount_before_1h" AS "avg_amount_before_1h",
  "user_transactions@1 features"."max_amount_1h" AS "max_amount_1h",
  "user_transactions@1 features"."distinct_merchants_1h" AS "distinct_merchants_1h",
  "user_transactions@1 features"."tx_count_24h" AS "tx_count_24h",
  "user_transactions@1 features"."total_amount_24h" AS "total_amount_24h",
  "user_transactions@1 features"."avg_amount_24h" AS "avg_amount_24h",
  "user_transactions@1 before features"."avg_amount_before_24h" AS "avg_amount_before_24h",
  "user_transactions@1 features"."max_amount_24h" AS "max_amount_24h",
  "user_transactions@1 features"."distinct_merchants_24h" AS "distinct_merchants_24h",
  "user_transactions@1 features"."tx_count_7d" AS "tx_count_7d",
  "user_transactions@1 features"."total_amount_7d" AS "total_amount_7d",
  "user_transactions@1 features"."avg_amount_7d" AS "avg_amount_7d",
  "user_transactions@1 before features"."avg_amount_before_7d" AS "avg_amount_before_7d",
  "user_transactions@1 features"."max_amount_7d" AS "max_amount_7d",
  "user_transactions@1 features"."distinct_merchants_7d" AS "distinct_merchants_7d",
  "merchant_risk@1 86400000 ms earlier features"."label_count_7d" AS "label_count_7d",
  "merchant_risk@1 86400000 ms earlier features"."fraud_share_7d" AS "fraud_share_7d",
  "merchant_risk@1 86400000 ms earlier features"."label_count_30d" AS "label_count_30d",
  "merchant_risk@1 86400000 ms earlier features"."fraud_share_30d" AS "fraud_share_30d",
  element_at(transform(ARRAY[((CASE WHEN is_finite(CAST("spine"."amount" AS DOUBLE)) THEN CAST("spine"."amount" AS DOUBLE) + 0E0 END) / (CASE WHEN is_finite(CAST("user_transactions@1 features"."avg_amount_1h" AS DOUBLE)) THEN CAST("user_transactions@1 features"."avg_amount_1h" AS DOUBLE) + 0E0 END))], it -> CASE WHEN is_finite(it) THEN it + 0E0 END), 1) AS "amount_to_avg_ratio",
  ((CASE WHEN is_finite(CAST("user_transactions@1 features"."tx_count_1min" AS DOUBLE)) THEN CAST("user_transactions@1 features"."tx_count_1min" AS DOUBLE) + 0E0 END) > (3E0)) AS "is_burst"
FROM "spine" AS "spine"
JOIN "user_transactions@1 features" ON "user_transactions@1 features"."row number" = "spine"."row"
JOIN "user_transactions@1 before features" ON "user_transactions@1 before features"."row number" = "spine"."row"
JOIN "merchant_risk@1 86400000 ms earlier features" ON "merchant_risk@1 86400000 ms earlier features"."row number" = "spine"."row"
ORDER BY "spine"."row"
