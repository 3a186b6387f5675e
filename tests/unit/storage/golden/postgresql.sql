-- bulk: insert_key
INSERT INTO "floworch"."idempotency_key" ("flow_id", "key", "run_id", "created_at")
SELECT v.p0, v.p1, v.p2, v.p3
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
ON CONFLICT DO NOTHING;

-- bulk: insert_run
INSERT INTO "floworch"."run" ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, place);

-- bulk: insert_tick_run
INSERT INTO "floworch"."run" ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "scheduled_at", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, place);

-- bulk: insert_child
INSERT INTO "floworch"."run" ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "parent_run_id", "parent_step_key", "parent_attempt", "parent_waits", "depth", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21, v.p22, v.p23, v.p24, v.p25
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::integer[], %s::smallint[], %s::smallint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, place);

-- bulk: insert_tag
INSERT INTO "floworch"."run_tag" ("run_id", "name", "value", "started_at")
SELECT v.p0, v.p1, v.p2, v.p3
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place);

-- bulk: tell_parent
UPDATE "floworch"."run" AS t
SET tells_parent = 1
FROM unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."id" = v.p0;

-- bulk: suspend_run
UPDATE "floworch"."run" AS t
SET "suspended_at" = v.p0, "suspended_by" = v.p1, "suspend_reason" = v.p2
FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
WHERE t."id" = v.p3;

-- bulk: move_run
UPDATE "floworch"."run" AS t
SET "manifest_hash" = v.p0, "flow_version" = v.p1
FROM unnest(%s::text[], %s::text[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."id" = v.p2;

-- bulk: mark_end
UPDATE "floworch"."run" AS t
SET "notice_at" = v.p0, notice_tries = 0
FROM unnest(%s::timestamptz[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, place)
WHERE t."id" = v.p1;

-- bulk: hear_of
UPDATE "floworch"."run" AS t
SET tells_parent = 0
FROM unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."id" = v.p0;

-- bulk: advance_run
UPDATE "floworch"."run" AS t
SET "status" = v.p0, "deadline" = v.p1, "stop_kind" = v.p2, "stop_reason" = v.p3, "stop_at" = v.p4, "ended_at" = v.p5, "revision" = v.p6
FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::uuid[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, place)
WHERE t."id" = v.p7 AND t."revision" = v.p8;

-- bulk: touch_run
UPDATE "floworch"."run" AS t
SET revision = t.revision + 1
FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, place)
WHERE t."id" = v.p0 AND t."revision" = v.p1;

-- bulk: insert_step
INSERT INTO "floworch"."step" ("run_id", "step_key", "scope", "type", "flow_id", "priority", "concurrency_key", "place", "status", "attempt", "failures", "lost", "due_at", "wait", "waiting_since", "skip", "reason", "owner", "ready_at", "started_at", "ended_at", "progress", "lease_until", "input", "output", "error", "trace")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15, v.p16, v.p17, v.p18, v.p19, v.p20, v.p21, clock_timestamp() + v.p22 * interval '1 second', v.p23, v.p24, v.p25, v.p26
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::smallint[], %s::text[], %s::integer[], %s::text[], %s::integer[], %s::integer[], %s::integer[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::double precision[], %s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, place)
ON CONFLICT DO NOTHING;

-- bulk: change_step
UPDATE "floworch"."step" AS t
SET "status" = v.p0, "attempt" = v.p1, "failures" = v.p2, "lost" = v.p3, "due_at" = v.p4, "wait" = v.p5, "waiting_since" = v.p6, "skip" = v.p7, "reason" = v.p8, "owner" = v.p9, "ready_at" = v.p10, "started_at" = v.p11, "ended_at" = v.p12, "progress" = v.p13, "lease_until" = clock_timestamp() + v.p14 * interval '1 second', "input" = v.p15, "output" = v.p16, "error" = v.p17, "trace" = v.p18
FROM unnest(%s::text[], %s::integer[], %s::integer[], %s::integer[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::double precision[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::integer[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, place)
WHERE t."run_id" = v.p19 AND t."step_key" = v.p20 AND t."status" = v.p21 AND t."attempt" = v.p22;

-- bulk: remove_step
DELETE FROM "floworch"."step" AS t
USING unnest(%s::uuid[], %s::text[]) WITH ORDINALITY AS v (p0, p1, place)
WHERE t."run_id" = v.p0 AND t."step_key" = v.p1;

-- bulk: settle_scope
UPDATE "floworch"."step" AS t
SET settled = 1
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
WHERE t."run_id" = v.p0 AND t."step_key" >= v.p1 AND t."step_key" < v.p2 AND t."scope" = v.p3;

-- bulk: revive_scope
UPDATE "floworch"."step" AS t
SET settled = 0
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
WHERE t."run_id" = v.p0 AND t."step_key" >= v.p1 AND t."step_key" < v.p2 AND t."scope" = v.p3;

-- bulk: claim_step
UPDATE "floworch"."step" AS t
SET "owner" = v.p0, "started_at" = v.p1, "lease_until" = clock_timestamp() + v.p2 * interval '1 second', status = 'Running', attempt = t.attempt + 1, due_at = NULL, wait = NULL, input = NULL, output = NULL, error = NULL, trace = NULL
FROM (SELECT v.*, l.status = 'Ready' AND EXISTS (SELECT 1 FROM floworch.run AS r WHERE r.id = l.run_id AND r.status NOT IN ('Cancelled', 'Failed', 'Skipped', 'Succeeded', 'TimedOut')) AS fits FROM unnest(%s::text[], %s::timestamptz[], %s::double precision[], %s::uuid[], %s::text[], %s::integer[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, place)
JOIN "floworch"."step" AS l ON l."run_id" = v.p3 AND l."step_key" = v.p4 AND l."attempt" = v.p5
OFFSET 0 FOR NO KEY UPDATE OF l SKIP LOCKED) AS v
WHERE t."run_id" = v.p3 AND t."step_key" = v.p4 AND t."attempt" = v.p5 AND v.fits;

-- bulk: renew_lease
UPDATE "floworch"."step" AS t
SET "lease_until" = clock_timestamp() + v.p0 * interval '1 second'
FROM unnest(%s::double precision[], %s::uuid[], %s::text[], %s::integer[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, place)
WHERE t."run_id" = v.p1 AND t."step_key" = v.p2 AND t."attempt" = v.p3 AND t."owner" = v.p4 AND t.status = 'Running';

-- bulk: insert_signal
INSERT INTO "floworch"."signal" ("run_id", "id", "number", "name", "deduplication_id", "payload", "received_at")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, place);

-- bulk: take_signal
UPDATE "floworch"."signal" AS t
SET "taken_by" = v.p0, "taken_attempt" = v.p1, "taken_at" = v.p2
FROM unnest(%s::text[], %s::integer[], %s::timestamptz[], %s::uuid[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, place)
WHERE t."run_id" = v.p3 AND t."id" = v.p4 AND t.taken_by IS NULL;

-- bulk: insert_payload
INSERT INTO "floworch"."payload" ("run_id", "step_key", "kind", "json")
SELECT v.p0, v.p1, v.p2, v.p3
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place);

-- bulk: remove_payload
DELETE FROM "floworch"."payload" AS t
USING unnest(%s::uuid[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."run_id" = v.p0 AND t."step_key" = v.p1 AND t."kind" = v.p2;

-- bulk: insert_event
INSERT INTO "floworch"."event" ("run_id", "at", "facts")
SELECT v.p0, v.p1, v.p2
FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, place);

-- bulk: insert_manifest
INSERT INTO "floworch"."manifest" ("hash", "json")
SELECT v.p0, v.p1
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, place)
ON CONFLICT DO NOTHING;

-- bulk: insert_flow
INSERT INTO "floworch"."flow" ("id", "name", "version", "manifest_hash", "is_enabled", "created_at", "updated_at")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, place)
ON CONFLICT DO NOTHING;

-- bulk: insert_version
INSERT INTO "floworch"."flow_version" ("flow_id", "manifest_hash", "version", "first_seen", "last_seen")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, place)
ON CONFLICT DO NOTHING;

-- bulk: change_version
UPDATE "floworch"."flow_version" AS t
SET "version" = v.p0, "last_seen" = v.p1
FROM unnest(%s::text[], %s::timestamptz[], %s::uuid[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
WHERE t."flow_id" = v.p2 AND t."manifest_hash" = v.p3;

-- bulk: change_flow
UPDATE "floworch"."flow" AS t
SET "name" = v.p0, "version" = v.p1, "manifest_hash" = v.p2, "updated_at" = v.p3
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, place)
WHERE t."id" = v.p4;

-- bulk: delete_events
DELETE FROM "floworch"."event" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."run_id" = v.p0;

-- bulk: delete_payloads
DELETE FROM "floworch"."payload" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."run_id" = v.p0;

-- bulk: delete_steps
DELETE FROM "floworch"."step" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."run_id" = v.p0;

-- bulk: delete_signals
DELETE FROM "floworch"."signal" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."run_id" = v.p0;

-- bulk: delete_tags
DELETE FROM "floworch"."run_tag" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."run_id" = v.p0;

-- bulk: delete_run
DELETE FROM "floworch"."run" AS t
USING unnest(%s::uuid[]) WITH ORDINALITY AS v (p0, place)
WHERE t."id" = v.p0;

-- bulk: delete_key
DELETE FROM "floworch"."idempotency_key" AS t
USING unnest(%s::uuid[], %s::text[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."flow_id" = v.p0 AND t."key" = v.p1 AND t."run_id" = v.p2;

-- bulk: orphan_key
UPDATE "floworch"."idempotency_key" AS t
SET outlives_run = 1
FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."flow_id" = v.p0 AND t."key" = v.p1 AND t."run_id" = v.p2;

-- bulk: insert_schedule
INSERT INTO "floworch"."schedule" ("flow_id", "trigger_key", "definition", "override_cron", "paused_at", "paused_until", "pause_reason", "retired_at", "next_fire_at", "due_at", "waits_for", "last_tick_at", "backfill", "backfills", "revision", "updated_at")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6, v.p7, v.p8, v.p9, v.p10, v.p11, v.p12, v.p13, v.p14, v.p15
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::timestamptz[], %s::text[], %s::smallint[], %s::bigint[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, place)
ON CONFLICT DO NOTHING;

-- bulk: change_schedule
UPDATE "floworch"."schedule" AS t
SET "definition" = v.p0, "override_cron" = v.p1, "paused_at" = v.p2, "paused_until" = v.p3, "pause_reason" = v.p4, "retired_at" = v.p5, "next_fire_at" = v.p6, "due_at" = v.p7, "waits_for" = v.p8, "last_tick_at" = v.p9, "backfill" = v.p10, "backfills" = v.p11, "revision" = v.p12, "updated_at" = v.p13
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::timestamptz[], %s::text[], %s::smallint[], %s::bigint[], %s::timestamptz[], %s::uuid[], %s::text[], %s::bigint[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, place)
WHERE t."flow_id" = v.p14 AND t."trigger_key" = v.p15 AND t."revision" = v.p16;

-- bulk: insert_tick
INSERT INTO "floworch"."tick" ("flow_id", "trigger_key", "scheduled_at", "outcome", "run_id", "recorded_at", "why")
SELECT v.p0, v.p1, v.p2, v.p3, v.p4, v.p5, v.p6
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::uuid[], %s::timestamptz[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, p3, p4, p5, p6, place);

-- bulk: delete_tick
DELETE FROM "floworch"."tick" AS t
USING unnest(%s::uuid[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."flow_id" = v.p0 AND t."trigger_key" = v.p1 AND t."scheduled_at" = v.p2;

-- bulk: insert_rule
INSERT INTO "floworch"."limit_rule" ("name", "code", "override", "updated_at")
SELECT v.p0, v.p1, v.p2, v.p3
FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, p3, place)
ON CONFLICT DO NOTHING;

-- bulk: change_rule
UPDATE "floworch"."limit_rule" AS t
SET "code" = v.p0, "updated_at" = v.p1
FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."name" = v.p2;

-- bulk: insert_arrival
INSERT INTO "floworch"."limit_arrival" ("name", "key", "on_time_at")
SELECT v.p0, v.p1, v.p2
FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS v (p0, p1, p2, place)
ON CONFLICT DO NOTHING;

-- bulk: change_arrival
UPDATE "floworch"."limit_arrival" AS t
SET "on_time_at" = v.p0
FROM unnest(%s::timestamptz[], %s::text[], %s::text[]) WITH ORDINALITY AS v (p0, p1, p2, place)
WHERE t."name" = v.p1 AND t."key" = v.p2;

-- survey: runs
SELECT floworch.run.id, floworch.run.revision
FROM floworch.run
WHERE floworch.run.id IN (__[POSTCOMPILE_id_1]) ORDER BY floworch.run.id FOR UPDATE;

-- survey: steps
SELECT floworch.step.run_id, floworch.step.step_key, floworch.step.status, floworch.step.attempt
FROM floworch.step
WHERE floworch.step.run_id IN (__[POSTCOMPILE_run_id_1]) AND floworch.step.step_key IN (__[POSTCOMPILE_step_key_1]) ORDER BY floworch.step.run_id, floworch.step.step_key FOR UPDATE;

-- retention: runs
SELECT floworch.run.id, floworch.run.flow_id, floworch.run.idempotency_key, floworch.run.started_at
FROM floworch.run
WHERE floworch.run.status IN (__[POSTCOMPILE_status_1]) AND floworch.run.started_at < %(started_at_1)s::TIMESTAMP WITH TIME ZONE AND floworch.run.ended_at < %(ended_at_1)s::TIMESTAMP WITH TIME ZONE AND floworch.run.tells_parent = %(tells_parent_1)s::SMALLINT
 LIMIT %(param_1)s::INTEGER FOR UPDATE SKIP LOCKED;

-- retention: keys
SELECT floworch.idempotency_key.flow_id, floworch.idempotency_key.key, floworch.idempotency_key.run_id
FROM floworch.idempotency_key
WHERE floworch.idempotency_key.outlives_run = 1 AND floworch.idempotency_key.created_at < %(created_at_1)s::TIMESTAMP WITH TIME ZONE
 LIMIT %(param_1)s::INTEGER FOR UPDATE SKIP LOCKED;

-- schedules: what is due
SELECT 'disabled' AS kind, anon_1.flow_id, anon_1.trigger_key, anon_1.definition, anon_1.override_cron, anon_1.paused_at, anon_1.paused_until, anon_1.pause_reason, anon_1.retired_at, anon_1.next_fire_at, anon_1.due_at, anon_1.waits_for, anon_1.last_tick_at, anon_1.backfill, anon_1.backfills, anon_1.revision, anon_1.updated_at
FROM (SELECT floworch.flow.id AS flow_id, CAST(NULL AS TEXT) COLLATE "C" AS trigger_key, CAST(NULL AS TEXT) AS definition, CAST(NULL AS TEXT) AS override_cron, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS paused_at, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS paused_until, CAST(NULL AS TEXT) AS pause_reason, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS retired_at, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS next_fire_at, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS due_at, CAST(NULL AS UUID) AS waits_for, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS last_tick_at, CAST(NULL AS TEXT) AS backfill, CAST(NULL AS SMALLINT) AS backfills, CAST(NULL AS BIGINT) AS revision, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS updated_at
FROM floworch.flow
WHERE floworch.flow.id IN (__[POSTCOMPILE_id_1]) AND floworch.flow.is_enabled = %(is_enabled_1)s::SMALLINT) AS anon_1 UNION ALL SELECT 'due' AS kind, anon_2.flow_id, anon_2.trigger_key, anon_2.definition, anon_2.override_cron, anon_2.paused_at, anon_2.paused_until, anon_2.pause_reason, anon_2.retired_at, anon_2.next_fire_at, anon_2.due_at, anon_2.waits_for, anon_2.last_tick_at, anon_2.backfill, anon_2.backfills, anon_2.revision, anon_2.updated_at
FROM (SELECT floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.due_at IS NOT NULL AND floworch.schedule.due_at <= %(now)s::TIMESTAMP WITH TIME ZONE AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_2]) AND floworch.flow.is_enabled = 1)) ORDER BY floworch.schedule.due_at
 LIMIT %(param_1)s::INTEGER) AS anon_2 UNION ALL SELECT 'due' AS kind, anon_3.flow_id, anon_3.trigger_key, anon_3.definition, anon_3.override_cron, anon_3.paused_at, anon_3.paused_until, anon_3.pause_reason, anon_3.retired_at, anon_3.next_fire_at, anon_3.due_at, anon_3.waits_for, anon_3.last_tick_at, anon_3.backfill, anon_3.backfills, anon_3.revision, anon_3.updated_at
FROM (SELECT floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.waits_for IS NOT NULL AND NOT (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.schedule.waits_for AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_3]) AND floworch.flow.is_enabled = 1))
 LIMIT %(param_2)s::INTEGER) AS anon_3 UNION ALL SELECT 'backfill' AS kind, anon_4.flow_id, anon_4.trigger_key, anon_4.definition, anon_4.override_cron, anon_4.paused_at, anon_4.paused_until, anon_4.pause_reason, anon_4.retired_at, anon_4.next_fire_at, anon_4.due_at, anon_4.waits_for, anon_4.last_tick_at, anon_4.backfill, anon_4.backfills, anon_4.revision, anon_4.updated_at
FROM (SELECT floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.backfills = 1 AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_4]) AND floworch.flow.is_enabled = 1))
 LIMIT %(param_3)s::INTEGER) AS anon_4 UNION ALL SELECT 'next' AS kind, anon_5.flow_id, anon_5.trigger_key, anon_5.definition, anon_5.override_cron, anon_5.paused_at, anon_5.paused_until, anon_5.pause_reason, anon_5.retired_at, anon_5.next_fire_at, anon_5.due_at, anon_5.waits_for, anon_5.last_tick_at, anon_5.backfill, anon_5.backfills, anon_5.revision, anon_5.updated_at
FROM (SELECT floworch.schedule.flow_id AS flow_id, floworch.schedule.trigger_key AS trigger_key, floworch.schedule.definition AS definition, floworch.schedule.override_cron AS override_cron, floworch.schedule.paused_at AS paused_at, floworch.schedule.paused_until AS paused_until, floworch.schedule.pause_reason AS pause_reason, floworch.schedule.retired_at AS retired_at, floworch.schedule.next_fire_at AS next_fire_at, floworch.schedule.due_at AS due_at, floworch.schedule.waits_for AS waits_for, floworch.schedule.last_tick_at AS last_tick_at, floworch.schedule.backfill AS backfill, floworch.schedule.backfills AS backfills, floworch.schedule.revision AS revision, floworch.schedule.updated_at AS updated_at
FROM floworch.schedule
WHERE floworch.schedule.due_at IS NOT NULL AND floworch.schedule.due_at > %(now)s::TIMESTAMP WITH TIME ZONE AND (EXISTS (SELECT *
FROM floworch.flow
WHERE floworch.flow.id = floworch.schedule.flow_id AND floworch.flow.id IN (__[POSTCOMPILE_id_5]) AND floworch.flow.is_enabled = 1)) ORDER BY floworch.schedule.due_at
 LIMIT %(param_4)s::INTEGER) AS anon_5;

-- retention: ticks
SELECT floworch.tick.flow_id, floworch.tick.trigger_key, floworch.tick.scheduled_at
FROM floworch.tick
WHERE floworch.tick.recorded_at < %(recorded_at_1)s::TIMESTAMP WITH TIME ZONE ORDER BY floworch.tick.recorded_at
 LIMIT %(param_1)s::INTEGER;

-- notices
SELECT anon_1.id, anon_1.flow_id, anon_1.status, anon_1.notice_at, anon_1.notice_tries
FROM (SELECT floworch.run.id AS id, floworch.run.flow_id AS flow_id, floworch.run.status AS status, floworch.run.notice_at AS notice_at, floworch.run.notice_tries AS notice_tries
FROM floworch.run
WHERE floworch.run.notice_at IS NOT NULL AND floworch.run.flow_id = %(flow_id_1)s::UUID ORDER BY floworch.run.notice_at
 LIMIT %(param_1)s::INTEGER) AS anon_1;

-- ready
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.priority AS priority, floworch.step.concurrency_key AS concurrency_key, (SELECT floworch.run.manifest_hash
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id) AS manifest_hash, floworch.step.ready_at AS ready_at
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND floworch.step.flow_id = %(flow_id_1)s::UUID AND floworch.step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) ORDER BY floworch.step.priority DESC, floworch.step.ready_at
 LIMIT %(param_1)s::INTEGER) AS anon_1;

-- ready: keys passed over
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.priority AS priority, floworch.step.concurrency_key AS concurrency_key, (SELECT floworch.run.manifest_hash
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id) AS manifest_hash, floworch.step.ready_at AS ready_at
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND floworch.step.flow_id = %(flow_id_1)s::UUID AND floworch.step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch.run
WHERE floworch.run.id = floworch.step.run_id AND (floworch.run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (floworch.step.concurrency_key IS NULL OR (floworch.step.concurrency_key NOT IN (SELECT jsonb_array_elements_text(CAST(%(words_1)s::VARCHAR AS jsonb))))) ORDER BY floworch.step.priority DESC, floworch.step.ready_at
 LIMIT %(param_1)s::INTEGER) AS anon_1;

-- limits: rules, locked
SELECT floworch.limit_rule.name, floworch.limit_rule.code, floworch.limit_rule.override, floworch.limit_rule.updated_at, statement_timestamp() AS now
FROM floworch.limit_rule
WHERE floworch.limit_rule.name IN (__[POSTCOMPILE_name_1]) ORDER BY floworch.limit_rule.name FOR UPDATE;

-- limits: running
SELECT floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key;

-- limits: use
SELECT 'limit' AS kind, statement_timestamp() AS now, floworch.limit_rule.name AS name, CAST(NULL AS TEXT) COLLATE "C" AS key, floworch.limit_rule.code AS code, floworch.limit_rule.override AS override, floworch.limit_rule.updated_at AS at, CAST(NULL AS UUID) AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch.limit_rule UNION ALL SELECT 'arrival' AS kind, statement_timestamp() AS now, floworch.limit_arrival.name AS name, floworch.limit_arrival.key AS key, CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, floworch.limit_arrival.on_time_at AS at, CAST(NULL AS UUID) AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch.limit_arrival
WHERE floworch.limit_arrival.on_time_at > statement_timestamp() UNION ALL SELECT 'running' AS kind, statement_timestamp() AS now, anon_1.type AS name, anon_1.concurrency_key AS key, CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, anon_1.flow_id AS flow_id, anon_1.steps AS steps
FROM (SELECT floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND (EXISTS (SELECT floworch.limit_rule.name
FROM floworch.limit_rule)) GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key) AS anon_1 UNION ALL SELECT 'waiting' AS kind, statement_timestamp() AS now, anon_2.type AS name, anon_2.concurrency_key AS key, CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS at, anon_2.flow_id AS flow_id, anon_2.steps AS steps
FROM (SELECT floworch.step.type AS type, floworch.step.flow_id AS flow_id, floworch.step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch.step
WHERE floworch.step.status = 'Ready' AND (EXISTS (SELECT floworch.limit_rule.name
FROM floworch.limit_rule)) GROUP BY floworch.step.type, floworch.step.flow_id, floworch.step.concurrency_key) AS anon_2;

-- runs: page
SELECT floworch.run.id, floworch.run.flow_id, floworch.run.flow_name, floworch.run.flow_version, floworch.run.manifest_hash, floworch.run.trigger_key, floworch.run.status, floworch.run.revision, floworch.run.started_at, floworch.run.ended_at, floworch.run.deadline, floworch.run.stop_kind, floworch.run.stop_reason, floworch.run.stop_at, floworch.run.idempotency_key, floworch.run.source_run_id, floworch.run.scheduled_at, floworch.run.parent_run_id, floworch.run.parent_step_key, floworch.run.parent_attempt, floworch.run.parent_waits, floworch.run.depth, floworch.run.concurrency_key, floworch.run.tells_parent, floworch.run.suspended_at, floworch.run.suspended_by, floworch.run.suspend_reason, floworch.run.notice_at, floworch.run.notice_tries, floworch.run.priority, floworch.run.tags
FROM floworch.run
WHERE floworch.run.flow_id = %(flow_id_1)s::UUID AND floworch.run.status IN (__[POSTCOMPILE_status_1]) AND floworch.run.source_run_id = %(source_run_id_1)s::UUID AND floworch.run.started_at >= %(started_at_1)s::TIMESTAMP WITH TIME ZONE AND floworch.run.started_at < %(started_at_2)s::TIMESTAMP WITH TIME ZONE AND floworch.run.started_at <= %(started_at_3)s::TIMESTAMP WITH TIME ZONE AND (floworch.run.started_at < %(started_at_4)s::TIMESTAMP WITH TIME ZONE OR floworch.run.id < %(id_1)s::UUID) ORDER BY floworch.run.started_at DESC, floworch.run.id DESC
 LIMIT %(param_1)s::INTEGER;

-- due
SELECT anon_1.kind, anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.owner, anon_1.at
FROM (SELECT 'timer' AS kind, floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.owner AS owner, floworch.step.due_at AS at
FROM floworch.step
WHERE floworch.step.status = 'Pending' AND floworch.step.due_at <= %(due_at_1)s::TIMESTAMP WITH TIME ZONE ORDER BY floworch.step.due_at
 LIMIT %(param_1)s::INTEGER) AS anon_1 UNION ALL SELECT anon_2.kind, anon_2.run_id, anon_2.step_key, anon_2.attempt, anon_2.owner, anon_2.at
FROM (SELECT 'lease' AS kind, floworch.step.run_id AS run_id, floworch.step.step_key AS step_key, floworch.step.attempt AS attempt, floworch.step.owner AS owner, floworch.step.lease_until AS at
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND floworch.step.lease_until <= statement_timestamp() ORDER BY floworch.step.lease_until
 LIMIT %(param_2)s::INTEGER) AS anon_2 UNION ALL SELECT anon_3.kind, anon_3.run_id, anon_3.step_key, anon_3.attempt, anon_3.owner, anon_3.at
FROM (SELECT 'deadline' AS kind, floworch.run.id AS run_id, CAST(NULL AS TEXT) COLLATE "C" AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) COLLATE "C" AS owner, floworch.run.deadline AS at
FROM floworch.run
WHERE floworch.run.deadline IS NOT NULL AND floworch.run.ended_at IS NULL AND floworch.run.stop_kind IS NULL AND floworch.run.deadline <= %(deadline_1)s::TIMESTAMP WITH TIME ZONE ORDER BY floworch.run.deadline
 LIMIT %(param_3)s::INTEGER) AS anon_3 UNION ALL SELECT anon_4.kind, anon_4.run_id, anon_4.step_key, anon_4.attempt, anon_4.owner, anon_4.at
FROM (SELECT 'child' AS kind, floworch.run.id AS run_id, CAST(NULL AS TEXT) COLLATE "C" AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) COLLATE "C" AS owner, floworch.run.ended_at AS at
FROM floworch.run
WHERE floworch.run.tells_parent = 1 AND floworch.run.ended_at IS NOT NULL ORDER BY floworch.run.ended_at
 LIMIT %(param_4)s::INTEGER) AS anon_4 UNION ALL SELECT anon_5.kind, anon_5.run_id, anon_5.step_key, anon_5.attempt, anon_5.owner, anon_5.at
FROM (SELECT 'next' AS kind, CAST(NULL AS UUID) AS run_id, CAST(NULL AS TEXT) COLLATE "C" AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) COLLATE "C" AS owner, floworch.step.due_at AS at
FROM floworch.step
WHERE floworch.step.status = 'Pending' AND floworch.step.due_at > %(due_at_2)s::TIMESTAMP WITH TIME ZONE ORDER BY floworch.step.due_at
 LIMIT %(param_5)s::INTEGER) AS anon_5 UNION ALL SELECT anon_6.kind, anon_6.run_id, anon_6.step_key, anon_6.attempt, anon_6.owner, anon_6.at
FROM (SELECT 'next' AS kind, CAST(NULL AS UUID) AS run_id, CAST(NULL AS TEXT) COLLATE "C" AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) COLLATE "C" AS owner, floworch.step.lease_until AS at
FROM floworch.step
WHERE floworch.step.lease_until IS NOT NULL AND floworch.step.lease_until > statement_timestamp() ORDER BY floworch.step.lease_until
 LIMIT %(param_6)s::INTEGER) AS anon_6 UNION ALL SELECT anon_7.kind, anon_7.run_id, anon_7.step_key, anon_7.attempt, anon_7.owner, anon_7.at
FROM (SELECT 'next' AS kind, CAST(NULL AS UUID) AS run_id, CAST(NULL AS TEXT) COLLATE "C" AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) COLLATE "C" AS owner, floworch.run.deadline AS at
FROM floworch.run
WHERE floworch.run.deadline IS NOT NULL AND floworch.run.ended_at IS NULL AND floworch.run.stop_kind IS NULL AND floworch.run.deadline > %(deadline_2)s::TIMESTAMP WITH TIME ZONE ORDER BY floworch.run.deadline
 LIMIT %(param_7)s::INTEGER) AS anon_7;
