-- The job that a worker of these queues runs next: key sites first, then any, from a random queue on.
--
-- procrastinate's own function orders all waiting jobs and filters: at 50,000 jobs over 500 queues it
-- reads most of them (106 a second were measured). Here each queue is asked for its first job by
-- index, and the first answer is taken. A queue is also its jobs' lock: none where one runs.
CREATE OR REPLACE FUNCTION patrol_fetch_shard_v1(queues varchar[], for_worker bigint)
    RETURNS SETOF procrastinate_jobs LANGUAGE plpgsql AS $$
DECLARE
    key_only boolean;
    offered record;
    taken procrastinate_jobs;
    first integer := floor(random() * cardinality(queues));
BEGIN
    FOREACH key_only IN ARRAY ARRAY[true, false] LOOP
        FOR offered IN
            SELECT best.id
            FROM generate_series(0, cardinality(queues) - 1) AS step
            CROSS JOIN LATERAL (
                SELECT job.id, job.queue_name FROM procrastinate_jobs AS job
                WHERE job.queue_name = queues[1 + (first + step) % cardinality(queues)]
                    AND job.status = 'todo' AND (NOT key_only OR job.priority > 0)
                    AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
                ORDER BY job.priority DESC, job.id LIMIT 1
            ) AS best
            WHERE NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs AS busy
                WHERE busy.lock = best.queue_name AND busy.status = 'doing')
        LOOP
            BEGIN
                UPDATE procrastinate_jobs SET status = 'doing', worker_id = for_worker
                WHERE id = (SELECT id FROM procrastinate_jobs
                    WHERE id = offered.id AND status = 'todo' FOR UPDATE SKIP LOCKED)
                RETURNING * INTO taken;
            EXCEPTION WHEN unique_violation THEN CONTINUE;
            END;
            IF taken.id IS NOT NULL THEN
                RETURN NEXT taken;
                RETURN;
            END IF;
        END LOOP;
    END LOOP;
END;
$$;
