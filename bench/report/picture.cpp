#include "report/picture.hpp"

#include <algorithm>

namespace report {
namespace {

// Pixels.
double const panel_width = 700, panel_height = 270;
double const left = 62, right = 10, top = 30, plot_height = 160;
double const heading_height = 54;
double const top_percent = 150;  // higher bars end here; their figure tells

struct color {
  char const *implementation, *value;
};

color const colors[] = {{"renorm", "#0b66c3"},      {"onednn", "#f08c2e"}, {"torch", "#d9534f"},     {"torch_py", "#a9a9a9"},
                        {"torch_smart", "#7d5ba6"}, {"plain", "#7fb0e0"},  {"plain_read", "#7fb0e0"}};

char const* color_of(std::string const& implementation) {
  for (color const& c : colors)
    if (implementation == c.implementation) return c.value;
  return "#333333";
}

double y_of(double percent) { return top + plot_height * (1 - std::min(percent, top_percent) / top_percent); }

void write_text(std::FILE* file, double x, double y, double size, char const* attributes, std::string const& text) {
  std::fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" %s>%s</text>\n", x, y, size, attributes, text.c_str());
}

void write_line(std::FILE* file, double y, char const* stroke) {
  std::fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" %s/>\n", left, panel_width - right, y, y, stroke);
}

void write_axis(std::FILE* file) {
  for (int percent = 0; percent <= top_percent; percent += 50) {
    write_line(file, y_of(percent), percent == 100 ? "stroke=\"#222222\" stroke-width=\"1.5\"" : "stroke=\"#dddddd\"");
    write_text(file, left - 6, y_of(percent) + 4, 11, "text-anchor=\"end\"", std::to_string(percent));
  }
}

void write_bar(std::FILE* file, entry const& e, double x, double width) {
  double const percent = 100 * e.share, y = y_of(percent);
  std::fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">", x, y, width, y_of(0) - y,
               color_of(e.implementation));
  std::fprintf(file, "<title>%s %.0f %%, %.4g ms</title></rect>\n", e.implementation.c_str(), percent, e.seconds * 1e3);
  char figure[32];
  std::snprintf(figure, sizeof figure, "%.0f", percent);
  bool const is_ours = e.implementation == "renorm";
  std::string style = "text-anchor=\"middle\" paint-order=\"stroke\" stroke=\"white\" stroke-width=\"3\"";
  if (is_ours) style += " font-weight=\"bold\"";
  write_text(file, x + width / 2, y - 2, is_ours ? 11 : 8, style.c_str(), figure);
}

void write_shape(std::FILE* file, row const& r, double x, double width) {
  double const gap = 0.18 * width, bar = (width - gap) / static_cast<double>(r.entries.size());
  for (std::size_t i = 0; i < r.entries.size(); ++i) write_bar(file, r.entries[i], x + gap / 2 + bar * static_cast<double>(i), bar);
  std::fprintf(file, "<text transform=\"translate(%.1f %.1f) rotate(-30)\" font-size=\"11\" text-anchor=\"end\">%s</text>\n",
               x + width / 2 + 4, y_of(0) + 14, r.shape.c_str());
}

void write_panel(std::FILE* file, table const& t, double x, double y) {
  std::fprintf(file, "<g transform=\"translate(%.1f %.1f)\">\n", x, y);
  write_text(file, left, 14, 14, "font-weight=\"bold\"", t.op + ", " + t.layout);
  write_axis(file);
  double const width = (panel_width - left - right) / static_cast<double>(t.rows.size());
  for (std::size_t i = 0; i < t.rows.size(); ++i) write_shape(file, t.rows[i], left + width * static_cast<double>(i), width);
  std::fprintf(file, "</g>\n");
}

void add_once(std::vector<std::string>& names, std::string const& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::size_t index_of(std::vector<std::string> const& names, std::string const& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

void write_heading(std::FILE* file, results const& r, table const& any, std::vector<std::string> const& implementations) {
  std::string const count = any.threads.substr(1);
  write_text(file, left, 22, 16, "font-weight=\"bold\"",
             "Percent of the machine's limit, " + any.dtype + ", " + count + (count == "1" ? " thread" : " threads") +
                 ": higher is better, 100 is the bare memory traffic");
  double x = left;
  for (std::string const& implementation : implementations) {
    std::fprintf(file, "<rect x=\"%.1f\" y=\"33\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, color_of(implementation));
    write_text(file, x + 17, 43, 12, "", implementation);
    x += 30 + 7.5 * static_cast<double>(implementation.size());
  }
  write_text(file, x + 10, 43, 12, "fill=\"#666666\"", r.isa + "; peers: " + r.peers);
}

}  // namespace

void write_picture(std::FILE* file, results const& r, std::string const& dtype, std::string const& threads) {
  std::vector<table const*> shown;
  std::vector<std::string> ops, layouts, implementations = {"renorm"};
  for (table const& t : r.tables) {
    if (t.dtype != dtype || t.threads != threads) continue;
    shown.push_back(&t);
    add_once(ops, t.op);
    add_once(layouts, t.layout);
    for (std::string const& peer : t.peers()) add_once(implementations, peer);
  }
  double const width = panel_width * static_cast<double>(layouts.size());
  double const height = heading_height + panel_height * static_cast<double>(ops.size());
  std::fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" ", width, height);
  std::fprintf(file, "font-family=\"sans-serif\">\n");
  std::fprintf(file, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
  write_heading(file, r, *shown.front(), implementations);
  for (table const* const t : shown)
    write_panel(file, *t, panel_width * static_cast<double>(index_of(layouts, t->layout)),
                heading_height + panel_height * static_cast<double>(index_of(ops, t->op)));
  std::fprintf(file, "</svg>\n");
}

}  // namespace report
