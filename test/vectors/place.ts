/** Where Ethereum's public tests lie beside the repository. Their source: SOURCE.md over there. */
import { fileURLToPath } from "node:url";

/** From `dist/test/vectors/`; the folder is not part of the repository and may be missing. */
export const VECTORS = fileURLToPath(
  new URL("../../../../shared/vectors/ethereum-tests", import.meta.url),
);
