-- bulk: insert_key
INSERT INTO [floworch].[idempotency_key] ([flow_id], [key], [run_id], [created_at])
SELECT v.p0, v.p1, v.p2, v.p3
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[3]', p3 DATETIMEOFFSET(6) '$[4]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[idempotency_key] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[flow_id] = v.p0 AND x.[key] = v.p1);

-- bulk: insert_run
INSERT INTO [floworch].[run] ([id], [flow_id], [flow_name], [flow_version], [manifest_hash], [trigger_key], [started_at], [idempotency_key], [source_run_id], [priority], [concurrency_key], [body], [headers], [tags], [status], [deadline], [stop_kind], [stop_reason], [stop_at], [ended_at], [revision])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[4]', p4 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[5]', p5 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[6]', p6 DATETIMEOFFSET(6) '$[7]', p7 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[8]', p8 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[9]', p9 SMALLINT '$[10]', p10 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[11]', p11 NVARCHAR(MAX) '$[12]', p12 NVARCHAR(MAX) '$[13]', p13 NVARCHAR(MAX) '$[14]', p14 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[15]', p15 DATETIMEOFFSET(6) '$[16]', p16 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[17]', p17 NVARCHAR(MAX) '$[18]', p18 DATETIMEOFFSET(6) '$[19]', p19 DATETIMEOFFSET(6) '$[20]', p20 BIGINT '$[21]') AS v;

-- bulk: insert_tick_run
INSERT INTO [floworch].[run] ([id], [flow_id], [flow_name], [flow_version], [manifest_hash], [trigger_key], [started_at], [idempotency_key], [source_run_id], [priority], [concurrency_key], [body], [headers], [tags], [scheduled_at], [status], [deadline], [stop_kind], [stop_reason], [stop_at], [ended_at], [revision])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[4]', p4 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[5]', p5 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[6]', p6 DATETIMEOFFSET(6) '$[7]', p7 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[8]', p8 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[9]', p9 SMALLINT '$[10]', p10 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[11]', p11 NVARCHAR(MAX) '$[12]', p12 NVARCHAR(MAX) '$[13]', p13 NVARCHAR(MAX) '$[14]', p14 DATETIMEOFFSET(6) '$[15]', p15 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[16]', p16 DATETIMEOFFSET(6) '$[17]', p17 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[18]', p18 NVARCHAR(MAX) '$[19]', p19 DATETIMEOFFSET(6) '$[20]', p20 DATETIMEOFFSET(6) '$[21]', p21 BIGINT '$[22]') AS v;

-- bulk: insert_child
INSERT INTO [floworch].[run] ([id], [flow_id], [flow_name], [flow_version], [manifest_hash], [trigger_key], [started_at], [idempotency_key], [source_run_id], [priority], [concurrency_key], [body], [headers], [tags], [parent_run_id], [parent_step_key], [parent_attempt], [parent_waits], [depth], [status], [deadline], [stop_kind], [stop_reason], [stop_at], [ended_at], [revision])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21, v.p22, v.p23, v.p24, v.p25
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[4]', p4 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[5]', p5 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[6]', p6 DATETIMEOFFSET(6) '$[7]', p7 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[8]', p8 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[9]', p9 SMALLINT '$[10]', p10 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[11]', p11 NVARCHAR(MAX) '$[12]', p12 NVARCHAR(MAX) '$[13]', p13 NVARCHAR(MAX) '$[14]', p14 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[15]', p15 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[16]', p16 INT '$[17]', p17 SMALLINT '$[18]', p18 SMALLINT '$[19]', p19 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[20]', p20 DATETIMEOFFSET(6) '$[21]', p21 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[22]', p22 NVARCHAR(MAX) '$[23]', p23 DATETIMEOFFSET(6) '$[24]', p24 DATETIMEOFFSET(6) '$[25]', p25 BIGINT '$[26]') AS v;

-- bulk: insert_tag
INSERT INTO [floworch].[run_tag] ([run_id], [name], [value], [started_at])
SELECT v.p0, v.p1, v.p2, v.p3
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(100) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 DATETIMEOFFSET(6) '$[4]') AS v;

-- bulk: tell_parent
UPDATE t
SET tells_parent = 1
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[id] = v.p0;

-- bulk: suspend_run
UPDATE t
SET [suspended_at] = v.p0, [suspended_by] = v.p1, [suspend_reason] = v.p2
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 DATETIMEOFFSET(6) '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(MAX) '$[3]', p3 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[4]') AS v
WHERE t.[id] = v.p3;

-- bulk: move_run
UPDATE t
SET [manifest_hash] = v.p0, [flow_version] = v.p1
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[id] = v.p2;

-- bulk: mark_end
UPDATE t
SET [notice_at] = v.p0, notice_tries = 0
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 DATETIMEOFFSET(6) '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]') AS v
WHERE t.[id] = v.p1;

-- bulk: hear_of
UPDATE t
SET tells_parent = 0
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[id] = v.p0;

-- bulk: advance_run
UPDATE t
SET [status] = v.p0, [deadline] = v.p1, [stop_kind] = v.p2, [stop_reason] = v.p3, [stop_at] = v.p4, [ended_at] = v.p5, [revision] = v.p6
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[1]', p1 DATETIMEOFFSET(6) '$[2]', p2 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(MAX) '$[4]', p4 DATETIMEOFFSET(6) '$[5]', p5 DATETIMEOFFSET(6) '$[6]', p6 BIGINT '$[7]', p7 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[8]', p8 BIGINT '$[9]') AS v
WHERE t.[id] = v.p7 AND t.[revision] = v.p8;

-- bulk: touch_run
UPDATE t
SET revision = t.revision + 1
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 BIGINT '$[2]') AS v
WHERE t.[id] = v.p0 AND t.[revision] = v.p1;

-- bulk: insert_step
INSERT INTO [floworch].[step] ([run_id], [step_key], [scope], [type], [flow_id], [priority], [concurrency_key], [place], [status], [attempt], [failures], [lost], [due_at], [wait], [waiting_since], [skip], [reason], [owner], [ready_at], [started_at], [ended_at], [progress], [lease_until], [input], [output], [error], [trace])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21, DATEADD(millisecond, CAST(v.p22 * 1000 AS INT), SYSDATETIMEOFFSET()), v.p23, v.p24, v.p25, v.p26
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[4]', p4 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[5]', p5 SMALLINT '$[6]', p6 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[7]', p7 INT '$[8]', p8 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[9]', p9 INT '$[10]', p10 INT '$[11]', p11 INT '$[12]', p12 DATETIMEOFFSET(6) '$[13]', p13 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[14]', p14 DATETIMEOFFSET(6) '$[15]', p15 NVARCHAR(32) COLLATE Latin1_General_100_BIN2 '$[16]', p16 NVARCHAR(MAX) '$[17]', p17 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[18]', p18 DATETIMEOFFSET(6) '$[19]', p19 DATETIMEOFFSET(6) '$[20]', p20 DATETIMEOFFSET(6) '$[21]', p21 NVARCHAR(MAX) '$[22]', p22 FLOAT '$[23]', p23 NVARCHAR(MAX) '$[24]', p24 NVARCHAR(MAX) '$[25]', p25 NVARCHAR(MAX) '$[26]', p26 NVARCHAR(MAX) '$[27]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[step] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[run_id] = v.p0 AND x.[step_key] = v.p1);

-- bulk: change_step
UPDATE t
SET [status] = v.p0, [attempt] = v.p1, [failures] = v.p2, [lost] = v.p3, [due_at] = v.p4, [wait] = v.p5, [waiting_since] = v.p6, [skip] = v.p7, [reason] = v.p8, [owner] = v.p9, [ready_at] = v.p10, [started_at] = v.p11, [ended_at] = v.p12, [progress] = v.p13, [lease_until] = DATEADD(millisecond, CAST(v.p14 * 1000 AS INT), SYSDATETIMEOFFSET()), [input] = v.p15, [output] = v.p16, [error] = v.p17, [trace] = v.p18
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[1]', p1 INT '$[2]', p2 INT '$[3]', p3 INT '$[4]', p4 DATETIMEOFFSET(6) '$[5]', p5 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[6]', p6 DATETIMEOFFSET(6) '$[7]', p7 NVARCHAR(32) COLLATE Latin1_General_100_BIN2 '$[8]', p8 NVARCHAR(MAX) '$[9]', p9 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[10]', p10 DATETIMEOFFSET(6) '$[11]', p11 DATETIMEOFFSET(6) '$[12]', p12 DATETIMEOFFSET(6) '$[13]', p13 NVARCHAR(MAX) '$[14]', p14 FLOAT '$[15]', p15 NVARCHAR(MAX) '$[16]', p16 NVARCHAR(MAX) '$[17]', p17 NVARCHAR(MAX) '$[18]', p18 NVARCHAR(MAX) '$[19]', p19 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[20]', p20 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[21]', p21 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[22]', p22 INT '$[23]') AS v
WHERE t.[run_id] = v.p19 AND t.[step_key] = v.p20 AND t.[status] = v.p21 AND t.[attempt] = v.p22;

-- bulk: remove_step
DELETE t
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]') AS v
WHERE t.[run_id] = v.p0 AND t.[step_key] = v.p1;

-- bulk: settle_scope
UPDATE t
SET settled = 1
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[4]') AS v
WHERE t.[run_id] = v.p0 AND t.[step_key] >= v.p1 AND t.[step_key] < v.p2 AND t.[scope] = v.p3;

-- bulk: revive_scope
UPDATE t
SET settled = 0
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[4]') AS v
WHERE t.[run_id] = v.p0 AND t.[step_key] >= v.p1 AND t.[step_key] < v.p2 AND t.[scope] = v.p3;

-- bulk: claim_step
UPDATE t
SET [owner] = v.p0, [started_at] = v.p1, [lease_until] = DATEADD(millisecond, CAST(v.p2 * 1000 AS INT), SYSDATETIMEOFFSET()), status = 'Running', attempt = t.attempt + 1, due_at = NULL, wait = NULL, input = NULL, output = NULL, error = NULL, trace = NULL
FROM [floworch].[step] AS t WITH (UPDLOCK, READPAST, ROWLOCK), OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[1]', p1 DATETIMEOFFSET(6) '$[2]', p2 FLOAT '$[3]', p3 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[4]', p4 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[5]', p5 INT '$[6]') AS v
WHERE t.[run_id] = v.p3 AND t.[step_key] = v.p4 AND t.[attempt] = v.p5 AND t.status = 'Ready' AND EXISTS (SELECT 1 FROM floworch.run AS r WHERE r.id = t.run_id AND r.status NOT IN ('Cancelled', 'Failed', 'Skipped', 'Succeeded', 'TimedOut'));

-- bulk: renew_lease
UPDATE t
SET [lease_until] = DATEADD(millisecond, CAST(v.p0 * 1000 AS INT), SYSDATETIMEOFFSET())
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 FLOAT '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[3]', p3 INT '$[4]', p4 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[5]') AS v
WHERE t.[run_id] = v.p1 AND t.[step_key] = v.p2 AND t.[attempt] = v.p3 AND t.[owner] = v.p4 AND t.status = 'Running';

-- bulk: insert_signal
INSERT INTO [floworch].[signal] ([run_id], [id], [number], [name], [deduplication_id], [payload], [received_at])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[2]', p2 INT '$[3]', p3 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[4]', p4 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[5]', p5 NVARCHAR(MAX) '$[6]', p6 DATETIMEOFFSET(6) '$[7]') AS v;

-- bulk: take_signal
UPDATE t
SET [taken_by] = v.p0, [taken_attempt] = v.p1, [taken_at] = v.p2
FROM [floworch].[signal] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[1]', p1 INT '$[2]', p2 DATETIMEOFFSET(6) '$[3]', p3 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[4]', p4 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[5]') AS v
WHERE t.[run_id] = v.p3 AND t.[id] = v.p4 AND t.taken_by IS NULL;

-- bulk: insert_payload
INSERT INTO [floworch].[payload] ([run_id], [step_key], [kind], [json])
SELECT v.p0, v.p1, v.p2, v.p3
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(MAX) '$[4]') AS v;

-- bulk: remove_payload
DELETE t
FROM [floworch].[payload] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[run_id] = v.p0 AND t.[step_key] = v.p1 AND t.[kind] = v.p2;

-- bulk: insert_event
INSERT INTO [floworch].[event] ([run_id], [at], [facts])
SELECT v.p0, v.p1, v.p2
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 DATETIMEOFFSET(6) '$[2]', p2 NVARCHAR(MAX) '$[3]') AS v;

-- bulk: insert_manifest
INSERT INTO [floworch].[manifest] ([hash], [json])
SELECT v.p0, v.p1
FROM OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(MAX) '$[2]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[manifest] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[hash] = v.p0);

-- bulk: insert_flow
INSERT INTO [floworch].[flow] ([id], [name], [version], [manifest_hash], [is_enabled], [created_at], [updated_at])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[4]', p4 SMALLINT '$[5]', p5 DATETIMEOFFSET(6) '$[6]', p6 DATETIMEOFFSET(6) '$[7]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[flow] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[id] = v.p0);

-- bulk: insert_version
INSERT INTO [floworch].[flow_version] ([flow_id], [manifest_hash], [version], [first_seen], [last_seen])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[3]', p3 DATETIMEOFFSET(6) '$[4]', p4 DATETIMEOFFSET(6) '$[5]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[flow_version] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[flow_id] = v.p0 AND x.[manifest_hash] = v.p1);

-- bulk: change_version
UPDATE t
SET [version] = v.p0, [last_seen] = v.p1
FROM [floworch].[flow_version] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[1]', p1 DATETIMEOFFSET(6) '$[2]', p2 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[3]', p3 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[4]') AS v
WHERE t.[flow_id] = v.p2 AND t.[manifest_hash] = v.p3;

-- bulk: change_flow
UPDATE t
SET [name] = v.p0, [version] = v.p1, [manifest_hash] = v.p2, [updated_at] = v.p3
FROM [floworch].[flow] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(64) COLLATE Latin1_General_100_BIN2 '$[3]', p3 DATETIMEOFFSET(6) '$[4]', p4 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[5]') AS v
WHERE t.[id] = v.p4;

-- bulk: delete_events
DELETE t
FROM [floworch].[event] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[run_id] = v.p0;

-- bulk: delete_payloads
DELETE t
FROM [floworch].[payload] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[run_id] = v.p0;

-- bulk: delete_steps
DELETE t
FROM [floworch].[step] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[run_id] = v.p0;

-- bulk: delete_signals
DELETE t
FROM [floworch].[signal] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[run_id] = v.p0;

-- bulk: delete_tags
DELETE t
FROM [floworch].[run_tag] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[run_id] = v.p0;

-- bulk: delete_run
DELETE t
FROM [floworch].[run] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]') AS v
WHERE t.[id] = v.p0;

-- bulk: delete_key
DELETE t
FROM [floworch].[idempotency_key] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[flow_id] = v.p0 AND t.[key] = v.p1 AND t.[run_id] = v.p2;

-- bulk: orphan_key
UPDATE t
SET outlives_run = 1
FROM [floworch].[idempotency_key] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[flow_id] = v.p0 AND t.[key] = v.p1 AND t.[run_id] = v.p2;

-- bulk: insert_schedule
INSERT INTO [floworch].[schedule] ([flow_id], [trigger_key], [definition], [override_cron], [paused_at], [paused_until], [pause_reason], [retired_at], [next_fire_at], [due_at], [waits_for], [last_tick_at], [backfill], [backfills], [revision], [updated_at])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(MAX) '$[3]', p3 NVARCHAR(MAX) '$[4]', p4 DATETIMEOFFSET(6) '$[5]', p5 DATETIMEOFFSET(6) '$[6]', p6 NVARCHAR(MAX) '$[7]', p7 DATETIMEOFFSET(6) '$[8]', p8 DATETIMEOFFSET(6) '$[9]', p9 DATETIMEOFFSET(6) '$[10]', p10 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[11]', p11 DATETIMEOFFSET(6) '$[12]', p12 NVARCHAR(MAX) '$[13]', p13 SMALLINT '$[14]', p14 BIGINT '$[15]', p15 DATETIMEOFFSET(6) '$[16]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[schedule] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[flow_id] = v.p0 AND x.[trigger_key] = v.p1);

-- bulk: change_schedule
UPDATE t
SET [definition] = v.p0, [override_cron] = v.p1, [paused_at] = v.p2, [paused_until] = v.p3, [pause_reason] = v.p4, [retired_at] = v.p5, [next_fire_at] = v.p6, [due_at] = v.p7, [waits_for] = v.p8, [last_tick_at] = v.p9, [backfill] = v.p10, [backfills] = v.p11, [revision] = v.p12, [updated_at] = v.p13
FROM [floworch].[schedule] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(MAX) '$[1]', p1 NVARCHAR(MAX) '$[2]', p2 DATETIMEOFFSET(6) '$[3]', p3 DATETIMEOFFSET(6) '$[4]', p4 NVARCHAR(MAX) '$[5]', p5 DATETIMEOFFSET(6) '$[6]', p6 DATETIMEOFFSET(6) '$[7]', p7 DATETIMEOFFSET(6) '$[8]', p8 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[9]', p9 DATETIMEOFFSET(6) '$[10]', p10 NVARCHAR(MAX) '$[11]', p11 SMALLINT '$[12]', p12 BIGINT '$[13]', p13 DATETIMEOFFSET(6) '$[14]', p14 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[15]', p15 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[16]', p16 BIGINT '$[17]') AS v
WHERE t.[flow_id] = v.p14 AND t.[trigger_key] = v.p15 AND t.[revision] = v.p16;

-- bulk: insert_tick
INSERT INTO [floworch].[tick] ([flow_id], [trigger_key], [scheduled_at], [outcome], [run_id], [recorded_at], [why])
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 DATETIMEOFFSET(6) '$[3]', p3 NVARCHAR(16) COLLATE Latin1_General_100_BIN2 '$[4]', p4 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[5]', p5 DATETIMEOFFSET(6) '$[6]', p6 NVARCHAR(MAX) '$[7]') AS v;

-- bulk: delete_tick
DELETE t
FROM [floworch].[tick] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 CHAR(36) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(200) COLLATE Latin1_General_100_BIN2 '$[2]', p2 DATETIMEOFFSET(6) '$[3]') AS v
WHERE t.[flow_id] = v.p0 AND t.[trigger_key] = v.p1 AND t.[scheduled_at] = v.p2;

-- bulk: insert_rule
INSERT INTO [floworch].[limit_rule] ([name], [code], [override], [updated_at])
SELECT v.p0, v.p1, v.p2, v.p3
FROM OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(250) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(MAX) '$[2]', p2 NVARCHAR(MAX) '$[3]', p3 DATETIMEOFFSET(6) '$[4]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[limit_rule] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[name] = v.p0);

-- bulk: change_rule
UPDATE t
SET [code] = v.p0, [updated_at] = v.p1
FROM [floworch].[limit_rule] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(MAX) '$[1]', p1 DATETIMEOFFSET(6) '$[2]', p2 NVARCHAR(250) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[name] = v.p2;

-- bulk: insert_arrival
INSERT INTO [floworch].[limit_arrival] ([name], [key], [on_time_at])
SELECT v.p0, v.p1, v.p2
FROM OPENJSON(?) WITH (place INT '$[0]', p0 NVARCHAR(250) COLLATE Latin1_General_100_BIN2 '$[1]', p1 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[2]', p2 DATETIMEOFFSET(6) '$[3]') AS v
WHERE NOT EXISTS (SELECT 1 FROM [floworch].[limit_arrival] AS x WITH (UPDLOCK, HOLDLOCK) WHERE x.[name] = v.p0 AND x.[key] = v.p1);

-- bulk: change_arrival
UPDATE t
SET [on_time_at] = v.p0
FROM [floworch].[limit_arrival] AS t, OPENJSON(?) WITH (place INT '$[0]', p0 DATETIMEOFFSET(6) '$[1]', p1 NVARCHAR(250) COLLATE Latin1_General_100_BIN2 '$[2]', p2 NVARCHAR(400) COLLATE Latin1_General_100_BIN2 '$[3]') AS v
WHERE t.[name] = v.p1 AND t.[key] = v.p2;

-- survey: runs
SELECT floworch.run.id, floworch.run.revision
FROM floworch.run WITH (UPDLOCK, ROWLOCK)
WHERE floworch.run.id IN (__[POSTCOMPILE_id_1]) ORDER BY floworch.run.id;

-- survey: steps
SELECT floworch.step.run_id, floworch.step.step_key, floworch.step.status, floworch.step.attempt
FROM floworch.step WITH (UPDLOCK, ROWLOCK)
WHERE floworch.step.run_id IN (__[POSTCOMPILE_run_id_1]) AND floworch.step.step_key IN (__[POSTCOMPILE_step_key_1]) ORDER BY floworch.step.run_id, floworch.step.step_key;

-- retention: runs
SELECT TOP __[POSTCOMPILE_param_1] floworch.run.id, floworch.run.flow_id, floworch.run.idempotency_key, floworch.run.started_at
FROM floworch.run WITH (UPDLOCK, READPAST, ROWLOCK)
WHERE floworch.run.status IN (__[POSTCOMPILE_status_1]) AND floworch.run.started_at < :started_at_1 AND floworch.run.ended_at < :ended_at_1 AND floworch.run.tells_parent = :tells_parent_1;

-- retention: keys
SELECT TOP __[POSTCOMPILE_param_1] floworch.idempotency_key.flow_id, floworch.idempotency_key.[key], floworch.idempotency_key.run_id
FROM floworch.idempotency_key WITH (UPDLOCK, READPAST, ROWLOCK)
WHERE floworch.idempotency_key.outlives_run = 1 AND floworch.idempotency_key.created_at < :created_at_1;

-- schedules: what is due
SELECT 'disabled' AS kind, anon_1.flow_id, anon_1.trigger_key, anon_1.definition, anon_1.override_cron, anon_1.paused_at, anon_1.paused_until, anon_1.pause_reason, anon_1.retired_at, anon_1.next_fire_at, anon_1.due_at, anon_1.waits_for, anon_1.last_tick_at, anon_1.backfill, anon_1.backfills, anon_1.revision, anon_1.updated_at
FROM (SELECT floworch.flow.id AS flow_id, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS trigger_key, CAST(NULL AS NVARCHAR(max)) AS definition, CAST(NULL AS NVARCHAR(max)) AS override_cron, CAST(NULL AS DATETIMEOFFSET(6)) AS paused_at, CAST(NULL AS DATETIMEOFFSET(6)) AS paused_until, CAST(NULL AS NVARCHAR(max)) AS pause_reason, CAST(NULL AS DATETIMEOFFSET(6)) AS retired_at, CAST(NULL AS DATETIMEOFFSET(6)) AS next_fire_at, CAST(NULL AS DATETIMEOFFSET(6)) AS due_at, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS waits_for, CAST(NULL AS DATETIMEOFFSET(6)) AS last_tick_at, CAST(NULL AS NVARCHAR(max)) AS backfill, CAST(NULL AS SMALLINT) AS backfills, CAST(NULL AS BIGINT) AS revision, CAST(NULL AS DATETIMEOFFSET(6)) AS updated_at
FROM floworch.flow
WHERE floworch.flow.id IN (__[POSTCOMPILE_id_1]) AND floworch.flow.is_enabled = :is_enabled_1) AS anon_1 UNION ALL SELECT 'due' AS kind, anon_2.flow_id, anon_2.trigger_key, anon_2.definition, anon_2.override_cron, anon_2.paused_at, anon_2.paused_until, anon_2.pause_reason, anon_2.retired_at, anon_2.next_fire_at, anon_2.due_at, anon_2.waits_for, anon_2.last_tick_at, anon_2.backfill, anon_2.backfills, anon_2.revision, anon_2.updated_at
FROM (SELECT TOP __[POSTCOMPILE_param_1] floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.due_at IS NOT NULL AND floworch.schedule.due_at <= :now AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_2]) AND floworch.flow.is_enabled = 1)) ORDER BY floworch.schedule.due_at) AS anon_2 UNION ALL SELECT 'due' AS kind, anon_3.flow_id, anon_3.trigger_key, anon_3.definition, anon_3.override_cron, anon_3.paused_at, anon_3.paused_until, anon_3.pause_reason, anon_3.retired_at, anon_3.next_fire_at, anon_3.due_at, anon_3.waits_for, anon_3.last_tick_at, anon_3.backfill, anon_3.backfills, anon_3.revision, anon_3.updated_at
FROM (SELECT TOP __[POSTCOMPILE_param_2] floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.waits_for IS NOT NULL AND NOT (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.schedule.waits_for AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_3]) AND floworch.flow.is_enabled = 1))) AS anon_3 UNION ALL SELECT 'backfill' AS kind, anon_4.flow_id, anon_4.trigger_key, anon_4.definition, anon_4.override_cron, anon_4.paused_at, anon_4.paused_until, anon_4.pause_reason, anon_4.retired_at, anon_4.next_fire_at, anon_4.due_at, anon_4.waits_for, anon_4.last_tick_at, anon_4.backfill, anon_4.backfills, anon_4.revision, anon_4.updated_at
FROM (SELECT TOP __[POSTCOMPILE_param_3] floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.backfills = 1 AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_4]) AND floworch.flow.is_enabled = 1))) AS anon_4 UNION ALL SELECT 'next' AS kind, anon_5.flow_id, anon_5.trigger_key, anon_5.definition, anon_5.override_cron, anon_5.paused_at, anon_5.paused_until, anon_5.pause_reason, anon_5.retired_at, anon_5.next_fire_at, anon_5.due_at, anon_5.waits_for, anon_5.last_tick_at, anon_5.backfill, anon_5.backfills, anon_5.revision, anon_5.updated_at
FROM (SELECT TOP __[POSTCOMPILE_param_4] floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.due_at IS NOT NULL AND floworch.schedule.due_at > :now AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_5]) AND floworch.flow.is_enabled = 1)) ORDER BY floworch.schedule.due_at) AS anon_5;

-- retention: ticks
SELECT TOP __[POSTCOMPILE_param_1] floworch.tick.flow_id, floworch.tick.trigger_key, floworch.tick.scheduled_at
FROM floworch.tick
WHERE floworch.tick.recorded_at < :recorded_at_1 ORDER BY floworch.tick.recorded_at;

-- notices
SELECT anon_1.id, anon_1.flow_id, anon_1.status, anon_1.notice_at, anon_1.notice_tries
FROM (SELECT TOP __[POSTCOMPILE_param_1] floworch.run.id AS id, floworch.run.flow_id AS flow_id, floworch.run.status AS status, floworch.run.notice_at AS notice_at, floworch.run.notice_tries AS notice_tries
FROM floworch.run
WHERE floworch.run.notice_at IS NOT NULL AND floworch.run.flow_id = :flow_id_1 ORDER BY floworch.run.notice_at) AS anon_1;

-- ready
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT TOP __[POSTCOMPILE_param_1] floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.priority AS priority, floworch.step.concurrency_key AS concurrency_key, (SELECT floworch.run.manifest_hash
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id) AS manifest_hash, floworch.step.ready_at AS ready_at
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND floworch.step.flow_id = :flow_id_1 AND floworch.step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) ORDER BY floworch.step.priority DESC, floworch.step.ready_at) AS anon_1;

-- ready: keys passed over
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT TOP __[POSTCOMPILE_param_1] floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.priority AS priority, floworch.step.concurrency_key AS concurrency_key, (SELECT floworch.run.manifest_hash
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id) AS manifest_hash, floworch.step.ready_at AS ready_at
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND floworch.step.flow_id = :flow_id_1 AND floworch.step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (floworch.step.concurrency_key IS NULL OR (floworch.step.concurrency_key NOT IN (SELECT word COLLATE Latin1_General_100_BIN2 FROM OPENJSON(:words_1) WITH (word NVARCHAR(4000) '$')))) ORDER BY floworch.step.priority DESC, floworch.step.ready_at) AS anon_1;

-- limits: rules, locked
SELECT floworch.limit_rule.name, floworch.limit_rule.code, floworch.limit_rule.override, floworch.limit_rule.updated_at, sysdatetimeoffset() AS now
FROM floworch.limit_rule WITH (UPDLOCK, ROWLOCK)
WHERE floworch.limit_rule.name IN (__[POSTCOMPILE_name_1]) ORDER BY floworch.limit_rule.name;

-- limits: running
SELECT floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key;

-- limits: use
SELECT 'limit' AS kind, sysdatetimeoffset() AS now, floworch.limit_rule.name AS name, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS [key], floworch.limit_rule.code AS code, floworch.limit_rule.override AS override, floworch.limit_rule.updated_at AS at, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch.limit_rule UNION ALL SELECT 'arrival' AS kind, sysdatetimeoffset() AS now, floworch.limit_arrival.name AS name, floworch.limit_arrival.[key] AS [key], CAST(NULL AS NVARCHAR(max)) AS code, CAST(NULL AS NVARCHAR(max)) AS override, floworch.limit_arrival.on_time_at AS at, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch.limit_arrival
WHERE floworch.limit_arrival.on_time_at > sysdatetimeoffset() UNION ALL SELECT 'running' AS kind, sysdatetimeoffset() AS now, anon_1.type AS name, anon_1.concurrency_key AS [key], CAST(NULL AS NVARCHAR(max)) AS code, CAST(NULL AS NVARCHAR(max)) AS override, CAST(NULL AS DATETIMEOFFSET(6)) AS at, anon_1.flow_id AS flow_id, anon_1.steps AS steps
FROM (SELECT floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND (EXISTS (SELECT floworch.limit_rule.name
FROM floworch.limit_rule)) GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key) AS anon_1 UNION ALL SELECT 'waiting' AS kind, sysdatetimeoffset() AS now, anon_2.type AS name, anon_2.concurrency_key AS [key], CAST(NULL AS NVARCHAR(max)) AS code, CAST(NULL AS NVARCHAR(max)) AS override, CAST(NULL AS DATETIMEOFFSET(6)) AS at, anon_2.flow_id AS flow_id, anon_2.steps AS steps
FROM (SELECT floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND (EXISTS (SELECT floworch.limit_rule.name
FROM floworch.limit_rule)) GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key) AS anon_2;

-- runs: page
SELECT TOP __[POSTCOMPILE_param_1] floworch.run.id, floworch.run.flow_id, floworch.run.flow_name, floworch.run.flow_version, floworch.run.manifest_hash, floworch.run.trigger_key, floworch.run.status, floworch.run.revision, floworch.run.started_at, floworch.run.ended_at, floworch.run.deadline, floworch.run.stop_kind, floworch.run.stop_reason, floworch.run.stop_at, floworch.run.idempotency_key, floworch.run.source_run_id, floworch.run.scheduled_at, floworch.run.parent_run_id, floworch.run.parent_step_key, floworch.run.parent_attempt, floworch.run.parent_waits, floworch.run.depth, floworch.run.concurrency_key, floworch.run.tells_parent, floworch.run.suspended_at, floworch.run.suspended_by, floworch.run.suspend_reason, floworch.run.notice_at, floworch.run.notice_tries, floworch.run.priority, floworch.run.tags
FROM floworch.run
WHERE floworch.run.flow_id = :flow_id_1 AND floworch.run.status IN (__[POSTCOMPILE_status_1]) AND floworch.run.source_run_id = :source_run_id_1 AND floworch.run.started_at >= :started_at_1 AND floworch.run.started_at < :started_at_2 AND floworch.run.started_at <= :started_at_3 AND (floworch.run.started_at < :started_at_4 OR floworch.run.id < :id_1) ORDER BY floworch.run.started_at DESC, floworch.run.id DESC;

-- due
SELECT anon_1.kind, anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.owner, anon_1.at
FROM (SELECT TOP __[POSTCOMPILE_param_1] 'timer' AS kind, floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.owner AS owner, floworch.step.due_at AS at
FROM floworch.step
WHERE floworch.step.status = 'Pending' AND floworch.step.due_at <= :due_at_1 ORDER BY floworch.step.due_at) AS anon_1 UNION ALL SELECT anon_2.kind, anon_2.run_id, anon_2.step_key, anon_2.attempt, anon_2.owner, anon_2.at
FROM (SELECT TOP __[POSTCOMPILE_param_2] 'lease' AS kind, floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.owner AS owner, floworch.step.lease_until AS at
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND floworch.step.lease_until <= sysdatetimeoffset() ORDER BY floworch.step.lease_until) AS anon_2 UNION ALL SELECT anon_3.kind, anon_3.run_id, anon_3.step_key, anon_3.attempt, anon_3.owner, anon_3.at
FROM (SELECT TOP __[POSTCOMPILE_param_3] 'deadline' AS kind, floworch.run.id AS run_id, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS owner, floworch.run.deadline AS at
FROM floworch.run
WHERE floworch.run.deadline IS NOT NULL AND floworch.run.ended_at IS NULL AND floworch.run.stop_kind IS NULL AND floworch.run.deadline <= :deadline_1 ORDER BY floworch.run.deadline) AS anon_3 UNION ALL SELECT anon_4.kind, anon_4.run_id, anon_4.step_key, anon_4.attempt, anon_4.owner, anon_4.at
FROM (SELECT TOP __[POSTCOMPILE_param_4] 'child' AS kind, floworch.run.id AS run_id, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS owner, floworch.run.ended_at AS at
FROM floworch.run
WHERE floworch.run.tells_parent = 1 AND floworch.run.ended_at IS NOT NULL ORDER BY floworch.run.ended_at) AS anon_4 UNION ALL SELECT anon_5.kind, anon_5.run_id, anon_5.step_key, anon_5.attempt, anon_5.owner, anon_5.at
FROM (SELECT TOP __[POSTCOMPILE_param_5] 'next' AS kind, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS run_id, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS owner, floworch.step.due_at AS at
FROM floworch.step
WHERE floworch.step.status = 'Pending' AND floworch.step.due_at > :due_at_2 ORDER BY floworch.step.due_at) AS anon_5 UNION ALL SELECT anon_6.kind, anon_6.run_id, anon_6.step_key, anon_6.attempt, anon_6.owner, anon_6.at
FROM (SELECT TOP __[POSTCOMPILE_param_6] 'next' AS kind, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS run_id, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS owner, floworch.step.lease_until AS at
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND floworch.step.lease_until > sysdatetimeoffset() ORDER BY floworch.step.lease_until) AS anon_6 UNION ALL SELECT anon_7.kind, anon_7.run_id, anon_7.step_key, anon_7.attempt, anon_7.owner, anon_7.at
FROM (SELECT TOP __[POSTCOMPILE_param_7] 'next' AS kind, CAST(NULL AS CHAR(36)) COLLATE Latin1_General_100_BIN2 AS run_id, CAST(NULL AS NVARCHAR(400)) COLLATE Latin1_General_100_BIN2 AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS NVARCHAR(200)) COLLATE Latin1_General_100_BIN2 AS owner, floworch.run.deadline AS at
FROM floworch.run
WHERE floworch.run.deadline IS NOT NULL AND floworch.run.ended_at IS NULL AND floworch.run.stop_kind IS NULL AND floworch.run.deadline > :deadline_2 ORDER BY floworch.run.deadline) AS anon_7;
