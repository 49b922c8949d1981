#include "plot.hpp"

#include <algorithm>
#include <string>

namespace digits {
namespace {

// Pixels.
double const panel_width = 460, panel_height = 380;
double const left = 48, right = 20, top = 34, bottom = 44;
double const legend = 110, line_height = 16;

double const lowest = 40, highest = 100;                                    // percent
char const* const colors[] = {"#d9534f", "#f08c2e", "#7d5ba6", "#0b66c3"};  // the last one is for batch renorm

// A panel's place for a point; accuracies below the lowest one lie on the axis.
struct axes {
  long last_step;

  double x(long step) const { return left + (panel_width - left - right) * static_cast<double>(step) / static_cast<double>(last_step); }
  double y(double percent) const {
    return top + (panel_height - top - bottom) * (highest - std::max(percent, lowest)) / (highest - lowest);
  }
};

char const* color_of(figure const& f, std::size_t curve) { return curve + 1 == f.curves.size() ? colors[3] : colors[curve]; }

void write_text(std::FILE* file, double x, double y, char const* attributes, std::string const& text) {
  std::fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, attributes, text.c_str());
}

void write_line(std::FILE* file, double x1, double y1, double x2, double y2, std::string const& color, double width) {
  std::fprintf(file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x1, y1, x2, y2,
               color.c_str(), width);
}

void write_grid(std::FILE* file, axes const& at) {
  for (double percent = lowest; percent <= highest; percent += 10) {
    write_line(file, left, at.y(percent), panel_width - right, at.y(percent), "#dddddd", 1);
    write_text(file, left - 6, at.y(percent) + 4, "text-anchor=\"end\"", std::to_string(static_cast<int>(percent)));
  }
  for (long quarter = 0; quarter <= 4; ++quarter) {
    long const step = at.last_step * quarter / 4;
    write_text(file, at.x(step), at.y(lowest) + 16, "text-anchor=\"middle\"", std::to_string(step));
  }
  write_text(file, at.x(at.last_step / 2), panel_height - 8, "text-anchor=\"middle\"", "training steps");
}

void write_curve(std::FILE* file, axes const& at, series const& s, char const* color) {
  std::fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", color);
  for (point const& p : s.mean_curve()) std::fprintf(file, "%.1f,%.1f ", at.x(p.step), at.y(p.accuracy));
  std::fprintf(file, "\"/>\n");
}

// Names and final accuracies, above the axis.
void write_legend(std::FILE* file, axes const& at, figure const& f) {
  double y = at.y(lowest) - line_height * static_cast<double>(f.curves.size());
  for (std::size_t i = 0; i < f.curves.size(); ++i, y += line_height) {
    series const& s = f.curves[i];
    char accuracy[32];
    std::snprintf(accuracy, sizeof accuracy, " (%.1f%%)", s.final_accuracy());
    write_line(file, legend, y, legend + 20, y, color_of(f, i), 3);
    write_text(file, legend + 26, y + 4, "", s.of->name + std::string(accuracy));
  }
}

void write_panel(std::FILE* file, figure const& f, double x) {
  axes const at = {f.curves.front().seeds.front().curve.back().step};
  std::fprintf(file, "<g transform=\"translate(%.1f 0)\">\n", x);
  write_text(file, left, 20, "font-size=\"14\" font-weight=\"bold\"", std::string(f.of->name) + ", accuracy in %");
  write_grid(file, at);
  for (std::size_t i = 0; i < f.curves.size(); ++i) write_curve(file, at, f.curves[i], color_of(f, i));
  write_legend(file, at, f);
  std::fprintf(file, "</g>\n");
}

}  // namespace

void write_plot(std::FILE* file, std::vector<figure> const& figures) {
  std::fprintf(file,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n",
               panel_width * static_cast<double>(figures.size()), panel_height);
  std::fprintf(file, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
  double x = 0;
  for (figure const& f : figures) {
    write_panel(file, f, x);
    x += panel_width;
  }
  std::fprintf(file, "</svg>\n");
}

}  // namespace digits
