-- Up Migration

-- What can't be stored, with the reason: a frame that can't be decoded or an event that PostgreSQL refuses.
CREATE TABLE dead_letters (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        text        NOT NULL CHECK (kind IN ('frame', 'event')),
  namespace   text,                 -- NULL where the frame could not be decoded
  reason      text        NOT NULL,
  frame_id    text        NOT NULL, -- the stream entry it came in
  position    integer     NOT NULL, -- of the event in its frame; -1 for a frame
  payload     bytea       NOT NULL, -- the frame's bytes, or the event's JSON
  created_at  timestamptz NOT NULL DEFAULT now(),
  redriven_at timestamptz,
  UNIQUE (frame_id, position) -- a replayed frame's dead letters are written once
);

-- Down Migration

DROP TABLE dead_letters;
