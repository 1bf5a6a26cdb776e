-- The example's own tables, in the database of confirmd. Safe to run again.
CREATE TABLE IF NOT EXISTS orders (
  id uuid PRIMARY KEY,
  -- Made by the page for each click: the same click sent twice is one order.
  request_key uuid NOT NULL UNIQUE,
  attempt text NOT NULL,
  recipient text NOT NULL CHECK (recipient ~ '^0x[0-9a-f]{40}$'),
  state text NOT NULL DEFAULT 'new'
    CHECK (state IN ('new', 'minting', 'minted', 'failed', 'stalled', 'replaced', 'expired')),
  -- All four are set together, before anything is sent.
  tx_hash text UNIQUE,
  sender text,
  nonce bigint,
  raw_transactions text[],
  transaction_id uuid,
  sent_at timestamptz,
  -- What keeps it from being sent or registered at the moment.
  problem text,
  failure text,
  minted_in bigint,
  token_id numeric,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((state = 'new') = (tx_hash IS NULL))
);

CREATE TABLE IF NOT EXISTS nft_mint_settings (
  name text PRIMARY KEY,
  value text NOT NULL
);
