/**
 * Private keys at rest: Web3 Secret Storage version 3 with scrypt and aes-128-ctr.
 *
 * Owns the file's form and its cost limits. Does not own where files and passwords come from.
 * Neither keys nor passwords appear in a verdict's data.
 * scrypt is OpenSSL's, off the calling thread, but for parameters that OpenSSL refuses.
 * Source: ethereum.org, "Web3 Secret Storage Definition", version 3.
 */
import {
  createCipheriv,
  createDecipheriv,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from "node:crypto";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { z } from "zod";
import { concatBytes } from "../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../lanes/verdict.ts";
import { keccak256 } from "./primitives/hash.ts";
import { addressOf } from "./primitives/signature.ts";

/** scrypt memory is `128 · n · r` bytes: 256 MiB for geth's standard parameters. */
const SCRYPT_MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** `n · r · p` of geth's standard parameters is 2^21. */
const SCRYPT_WORK_MAX = 2 ** 22;
/** geth's standard: about one second. */
const SCRYPT_N = 2 ** 18;
const SCRYPT_R = 8;
const SCRYPT_P = 1;
const DERIVED_KEY_BYTES = 32;
const PRIVATE_KEY_BYTES = 32;

const hex = (bytes: number) => z.string().regex(new RegExp(`^(0x)?[0-9a-fA-F]{${2 * bytes}}$`));

const keystoreSchema = z.object({
  version: z.literal(3),
  id: z.string().optional(),
  address: z.string().optional(),
  crypto: z.object({
    cipher: z.literal("aes-128-ctr"),
    cipherparams: z.object({ iv: hex(16) }),
    ciphertext: hex(PRIVATE_KEY_BYTES),
    kdf: z.literal("scrypt"),
    kdfparams: z.object({
      dklen: z.literal(DERIVED_KEY_BYTES),
      n: z.int().min(2),
      r: z.int().positive(),
      p: z.int().positive(),
      salt: z
        .string()
        .max(2 + 2 * 64)
        .regex(/^(0x)?([0-9a-fA-F]{2})+$/),
    }),
    mac: hex(32),
  }),
});

/** A keystore file as JSON; members without 0x, as geth writes them. */
export type Keystore = z.output<typeof keystoreSchema>;

interface ScryptCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

const fromFileHex = (text: string): Buffer => Buffer.from(text.replace(/^0x/, ""), "hex");

function isBounded({ n, r, p }: ScryptCost): boolean {
  return (
    Number.isInteger(Math.log2(n)) &&
    128 * n * r <= SCRYPT_MEMORY_BYTES_MAX &&
    n * r * p <= SCRYPT_WORK_MAX
  );
}

function deriveKey(password: string, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array> {
  const { n, r, p } = cost;
  const secret = password.normalize("NFKC");
  // RFC 7914 asks for n < 2^(16r), and OpenSSL insists; the definition's own test vector breaks it.
  if (Math.log2(n) >= 16 * r)
    return scryptAsync(secret, salt, { N: n, r, p, dkLen: DERIVED_KEY_BYTES });
  // OpenSSL's own estimate is a little over 128·n·r.
  const options = { N: n, r, p, maxmem: 2 * SCRYPT_MEMORY_BYTES_MAX };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, DERIVED_KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

const macOf = (derivedKey: Uint8Array, ciphertext: Uint8Array): Uint8Array =>
  keccak256(concatBytes(derivedKey.subarray(16, 32), ciphertext));

/**
 * Encrypts a 32-byte private key. `n` is the scrypt cost, a power of two; geth's standard by
 * default.
 */
export async function encryptKey(
  privateKey: Uint8Array,
  password: string,
  options: { readonly n?: number } = {},
): Promise<Keystore> {
  const cost = { n: options.n ?? SCRYPT_N, r: SCRYPT_R, p: SCRYPT_P };
  if (privateKey.length !== PRIVATE_KEY_BYTES || !isBounded(cost))
    throw new RangeError("private key or scrypt cost out of range");
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const derived = await deriveKey(password, salt, cost);
  const cipher = createCipheriv("aes-128-ctr", derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(privateKey), cipher.final()]);
  return {
    version: 3,
    id: randomUUID(),
    address: addressOf(privateKey).slice(2),
    crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: iv.toString("hex") },
      ciphertext: ciphertext.toString("hex"),
      kdf: "scrypt",
      kdfparams: { dklen: DERIVED_KEY_BYTES, ...cost, salt: salt.toString("hex") },
      mac: Buffer.from(macOf(derived, ciphertext)).toString("hex"),
    },
  };
}

/** The private key of a keystore. Errors: verdict `KEY_INVALID`; `reason` says what is wrong. */
export async function decryptKey(
  keystore: unknown,
  password: string,
): Promise<Verdict<Uint8Array, "KEY_INVALID">> {
  const parsed = keystoreSchema.safeParse(keystore);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join(".") ?? "";
    return refuse("KEY_INVALID", {
      reason: "not a version 3 keystore with scrypt and aes-128-ctr",
      path,
    });
  }
  const { kdfparams, cipherparams, ...crypto } = parsed.data.crypto;
  if (!isBounded(kdfparams))
    return refuse("KEY_INVALID", { reason: "scrypt parameters out of range" });
  const derived = await deriveKey(password, fromFileHex(kdfparams.salt), kdfparams);
  const ciphertext = fromFileHex(crypto.ciphertext);
  if (!timingSafeEqual(macOf(derived, ciphertext), fromFileHex(crypto.mac)))
    return refuse("KEY_INVALID", { reason: "wrong password, or the file is damaged" });
  const cipher = createDecipheriv(
    "aes-128-ctr",
    derived.subarray(0, 16),
    fromFileHex(cipherparams.iv),
  );
  return accept(new Uint8Array(Buffer.concat([cipher.update(ciphertext), cipher.final()])));
}
