// Renders every SVG of this folder to a PNG of twice its size.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Resvg } from "@resvg/resvg-js";

const here = dirname(fileURLToPath(import.meta.url));
const fonts = join(here, "node_modules/dejavu-fonts-ttf/ttf");

// What each picture was made from, for the test that keeps them fresh.
const made = {};

for (const name of readdirSync(here).filter((n) => n.endsWith(".svg")).sort()) {
  const picture = new Resvg(readFileSync(join(here, name), "utf8"), {
    fitTo: { mode: "zoom", value: 1.5 },
    font: {
      loadSystemFonts: false,
      fontFiles: ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"].map((f) => join(fonts, f)),
      defaultFontFamily: "DejaVu Sans Mono",
    },
  }).render();
  const out = join(here, name.replace(/\.svg$/, ".png"));
  writeFileSync(out, picture.asPng());
  made[name.replace(/\.svg$/, "")] = createHash("sha256").update(readFileSync(join(here, name))).digest("hex");
  console.log(`${out}: ${picture.width}x${picture.height}`);
}
writeFileSync(join(here, "png.json"), JSON.stringify(made, null, 2) + "\n");
